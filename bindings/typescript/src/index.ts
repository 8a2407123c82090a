/**
 * Spans from Node programs to the node's Sidespan daemon, which writes them to disk before it
 * acknowledges them. Nothing but `flush`, `shutdown` and durable spans waits; nothing throws into
 * the program or prints. Until `init`, nothing is recorded and a span costs next to nothing.
 */

import { currentStore, NO_PARENT, type SpanContext } from "./context.js";
import { currentRecording } from "./runtime.js";
import { Span, type SpanOptions } from "./span.js";

export { NO_PARENT, type SpanContext } from "./context.js";
export { type Attributes } from "./otlp.js";
export { type Carrier, extract, inject } from "./propagation.js";
export { flush, init, type InitOptions, shutdown, type Status, status } from "./runtime.js";
export { Span, type SpanOptions } from "./span.js";
export { VERSION } from "./version.js";

type Body<T> = (span: Span) => T;

/** Options of a durable span: its body runs once its start is on disk, so the result is a promise. */
export type DurableOptions = SpanOptions & { readonly durable: true };

/**
 * Run `body` within a span, current for all that it calls and awaits. What it throws or rejects
 * with goes on unchanged and is kept in the span.
 *
 * @returns What `body` returns; with `durable: true` a promise of it, after at most the durable
 *   timeout.
 */
export function span<T>(name: string, body: Body<T>): T;
export function span<T>(name: string, options: DurableOptions, body: Body<T>): Promise<Awaited<T>>;
export function span<T>(name: string, options: SpanOptions, body: Body<T>): T;
export function span<T>(
  name: string,
  optionsOrBody: SpanOptions | Body<T>,
  maybeBody?: Body<T>,
): T | Promise<Awaited<T>> {
  const body = typeof optionsOrBody === "function" ? optionsOrBody : maybeBody!;
  const options = typeof optionsOrBody === "function" ? {} : optionsOrBody;
  const recording = currentRecording();
  const opened = new Span(recording, name, options);
  if (options.durable !== true) return run(opened, body);
  const announced = opened.announce(recording?.durableTimeoutMs ?? 0);
  return announced.then(() => run(opened, body)) as Promise<Awaited<T>>;
}

/** Run `body` within a span that begins a trace, whatever is current. */
export function trace<T>(name: string, body: Body<T>): T;
export function trace<T>(name: string, options: SpanOptions, body: Body<T>): T;
export function trace<T>(
  name: string,
  optionsOrBody: SpanOptions | Body<T>,
  maybeBody?: Body<T>,
): T {
  const body = typeof optionsOrBody === "function" ? optionsOrBody : maybeBody!;
  const options = typeof optionsOrBody === "function" ? {} : optionsOrBody;
  return span(name, { parent: NO_PARENT, ...options }, body);
}

/** Begin a span without making it current; whoever holds it ends it. */
export function startSpan(name: string, options: SpanOptions = {}): Span {
  return new Span(currentRecording(), name, options);
}

/** Return the current span; an inert one when there is none. */
export function current(): Span {
  const found = currentStore.getStore();
  return found instanceof Span ? found : INERT;
}

/** Run `body` with a span, or a context from `extract`, as current. */
export function withCurrent<T>(parent: Span | SpanContext | undefined, body: () => T): T {
  if (parent === undefined) return body();
  return currentStore.run(parent instanceof Span ? parent : { context: parent }, body);
}

const INERT = new Span(undefined, "");

function run<T>(opened: Span, body: Body<T>): T {
  let result: T;
  try {
    result = currentStore.run(opened, body, opened);
  } catch (error) {
    opened.fail(error).end();
    throw error;
  }
  if (isPromise(result)) {
    // The program gets the very promise that the body made, whatever class it is of.
    result.then(
      () => opened.end(),
      (error: unknown) => opened.fail(error).end(),
    );
  } else {
    opened.end();
  }
  return result;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value
    && typeof value.then === "function";
}
