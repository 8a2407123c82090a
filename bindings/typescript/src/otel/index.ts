/** For programs on OpenTelemetry: `register()`, or the processor and the propagator by hand. */

import type { TextMapPropagator } from "@opentelemetry/api";
import { CompositePropagator, W3CBaggagePropagator } from "@opentelemetry/core";
import type { SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { resourceFromAttributes } from "@opentelemetry/resources";

import { type InitOptions, isDisabled, newSender, type Status } from "../runtime.js";
import type { Sender } from "../sender.js";
import { SidespanPropagator } from "./propagator.js";
import { SidespanSpanProcessor } from "./processor.js";

export { SidespanPropagator } from "./propagator.js";
export { SidespanSpanProcessor } from "./processor.js";

/** The two parts that a provider is made with, over one connection. */
export interface Bridge {
  readonly spanProcessor: SpanProcessor;
  readonly propagator: TextMapPropagator;
  /** Wait until all that ended is on the node's disk; false when the time ran out. */
  flush(timeoutMs?: number): Promise<boolean>;
  /** How the client is doing. */
  status(): Status;
}

/** Return processor and propagator, connecting in the background; for a provider of your own. */
export function bridge(options: InitOptions = {}): Bridge {
  const sender = newSender(options);
  sender.wake();
  return {
    spanProcessor: new SidespanSpanProcessor(sender),
    propagator: new SidespanPropagator(sender),
    flush: (timeoutMs = 5000) => sender.flush(timeoutMs),
    status: () => statusOf(sender),
  };
}

/**
 * Register a tracer provider, context manager and propagator, so that OpenTelemetry's API and its
 * instrumentation libraries record into the node's daemon. With `SIDESPAN_DISABLED` nothing is
 * registered.
 *
 * @returns The bridge; undefined when it is switched off.
 */
export function register(options: InitOptions = {}): Bridge | undefined {
  if (isDisabled()) return undefined;
  const parts = bridge(options);
  const { env } = process;
  const service =
    options.service || env["SIDESPAN_SERVICE"] || env["OTEL_SERVICE_NAME"] || "unknown_service";
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({
      "service.name": service,
      "process.pid": process.pid,
      "telemetry.sdk.language": "nodejs",
      "telemetry.sdk.name": "opentelemetry",
      ...(options.resource as Record<string, string> | undefined),
    }),
    spanProcessors: [parts.spanProcessor],
  });
  provider.register({
    propagator: new CompositePropagator({
      propagators: [parts.propagator, new W3CBaggagePropagator()],
    }),
  });
  process.once("beforeExit", () => void provider.shutdown());
  return parts;
}

function statusOf(sender: Sender): Status {
  return {
    recording: !sender.outbox.closed,
    connected: sender.greeted,
    ...sender.outbox.counts,
    token: sender.token,
    lastError: sender.lastError,
  };
}
