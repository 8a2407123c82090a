/** Handing a trace to the next process, and taking it from the one before, as W3C headers. */

import { currentStore, isValid, type SpanContext } from "./context.js";
import { currentRecording } from "./runtime.js";
import { formatTraceparent, parseTraceparent, parseTracestate, withToken } from "./w3c.js";

const TRACEPARENT = "traceparent";
const TRACESTATE = "tracestate";

/** Something with `set`: `Headers`, `Map`, gRPC `Metadata`; or a plain object. */
export type Carrier = { set(key: string, value: string): unknown } | Record<string, unknown>;

/**
 * Write `traceparent` and `tracestate` of the current span, or of `context`, into `carrier`, with
 * the node's newest token. Without a span nothing is written. Throws nothing.
 *
 * @returns The carrier.
 */
export function inject<C extends Carrier>(carrier: C, context?: SpanContext): C {
  try {
    for (const [key, value] of headersOf(context ?? currentStore.getStore()?.context)) {
      if (typeof carrier.set === "function") carrier.set(key, value);
      else (carrier as Record<string, unknown>)[key] = value;
    }
  } catch {
    // A carrier that throws carries nothing.
  }
  return carrier;
}

/**
 * Return the context that a carrier brought, for `{ parent }`; undefined without one. A malformed
 * `tracestate` is dropped alone. Throws nothing, whatever the carrier holds.
 *
 * @param carrier `Headers`, `Map`, gRPC `Metadata`, or an object such as `request.headers`; keys
 *   without regard to case, a value may be a list of texts.
 */
export function extract(carrier: unknown): SpanContext | undefined {
  try {
    const [parents, states] = [valuesOf(carrier, TRACEPARENT), valuesOf(carrier, TRACESTATE)];
    const parsed = parents.length === 1 ? parseTraceparent(parents[0]!) : undefined;
    if (parsed === undefined) return undefined;
    const { traceId, spanId, flags } = parsed;
    const traceState = parseTracestate(states.join(","));
    return { traceId, spanId, traceFlags: flags, traceState, isRemote: true };
  } catch {
    return undefined;
  }
}

/** Return the headers that make `context` a remote parent; none for an invalid one. */
export function headersOf(context: SpanContext | undefined): [string, string][] {
  if (context === undefined || !isValid(context)) return [];
  const { traceId, spanId, traceFlags: flags, traceState } = context;
  const state = withToken(traceState, currentRecording()?.sender.token ?? "");
  const pairs: [string, string][] = [
    [TRACEPARENT, formatTraceparent({ traceId, spanId, flags })],
  ];
  if (state !== "") pairs.push([TRACESTATE, state]);
  return pairs;
}

function valuesOf(carrier: unknown, name: string): string[] {
  if (typeof carrier !== "object" || carrier === null) return [];
  const getter = (carrier as { get?: unknown }).get;
  if (typeof getter === "function" && !(carrier instanceof Map)) {
    return texts(getter.call(carrier, name));
  }
  const pairs = carrier instanceof Map ? carrier.entries() : Object.entries(carrier);
  const found: string[] = [];
  for (const [key, value] of pairs) {
    if (typeof key === "string" && key.toLowerCase() === name) found.push(...texts(value));
  }
  return found;
}

function texts(value: unknown): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.flatMap((text) => {
    if (typeof text === "string") return [text];
    return Buffer.isBuffer(text) ? [text.toString("latin1")] : [];
  });
}
