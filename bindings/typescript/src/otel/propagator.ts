/** W3C Trace Context, with the node's newest token in `tracestate`. */

import {
  type Context,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  trace,
} from "@opentelemetry/api";
import { isTracingSuppressed, W3CTraceContextPropagator } from "@opentelemetry/core";

import type { Sender } from "../sender.js";
import { formatTraceparent, withToken } from "../w3c.js";

/**
 * Reads `traceparent` and `tracestate` as the SDK does; writes them with the newest token of this
 * node as the first member, so that the next process's spans prove what came before them.
 *
 * @param sender Knows the newest token.
 */
export class SidespanPropagator implements TextMapPropagator {
  readonly #w3c = new W3CTraceContextPropagator();

  constructor(private readonly sender: Sender) {}

  /** Part of `TextMapPropagator`. */
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const span = trace.getSpanContext(context);
    if (span === undefined || isTracingSuppressed(context) || !isValidId(span.traceId)) return;
    const { traceId, spanId, traceFlags: flags, traceState } = span;
    setter.set(carrier, "traceparent", formatTraceparent({ traceId, spanId, flags }));
    const state = withToken(traceState?.serialize() ?? "", this.sender.token);
    if (state !== "") setter.set(carrier, "tracestate", state);
  }

  /** Part of `TextMapPropagator`. */
  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    return this.#w3c.extract(context, carrier, getter);
  }

  /** Part of `TextMapPropagator`. */
  fields(): string[] {
    return this.#w3c.fields();
  }
}

function isValidId(traceId: string): boolean {
  return !/^0*$/.test(traceId);
}
