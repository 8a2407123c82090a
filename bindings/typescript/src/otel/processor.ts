/** OpenTelemetry spans to the recorder as they start, change and end. */

import type { Context, HrTime, SpanContext as ApiSpanContext } from "@opentelemetry/api";
import type { ReadableSpan, Span as SdkSpan, SpanProcessor } from "@opentelemetry/sdk-trace-base";

import type { SpanContext } from "../context.js";
import type { Markable } from "../open_spans.js";
import * as otlp from "../otlp.js";
import type { Item } from "../otlp.js";
import type { Sender } from "../sender.js";

/** Where a span of the SDK keeps what we know of it; dearer in a map of its own. */
const OPEN = Symbol("sidespan.open");

type WatchedSpan = (SdkSpan | ReadableSpan) & { [OPEN]?: OpenSpan };

/**
 * Streams spans: one that stays open is announced by a mark, and so is what is set on it later;
 * each is sent when it ends. Costs the program about what encoding a span costs.
 *
 * @param sender The line to the recorder.
 */
export class SidespanSpanProcessor implements SpanProcessor {
  readonly #encoded = new WeakMap<object, Buffer>();

  constructor(private readonly sender: Sender) {}

  /** Part of `SpanProcessor`. */
  onStart(span: SdkSpan, _parent: Context): void {
    try {
      const open = new OpenSpan(span as SdkSpan & ReadableSpan, this);
      (span as WatchedSpan)[OPEN] = open;
      this.sender.opened(open);
    } catch (error) {
      this.#note(error);
    }
  }

  /** Part of `SpanProcessor`. */
  onEnd(span: ReadableSpan): void {
    try {
      const open = (span as WatchedSpan)[OPEN];
      if (open !== undefined) this.sender.open.remove(open);
      const context = contextOf(span);
      const item = this.item(span, context, span.endTime, () => writeAll(span));
      const endedId = open?.announced === true ? otlp.endedId(context) : undefined;
      this.sender.outbox.offer(item, endedId);
      this.sender.wake();
    } catch (error) {
      this.#note(error);
    }
  }

  /** Wait until all that ended is on the node's disk, for five seconds at most. */
  async forceFlush(): Promise<void> {
    await this.sender.flush(5000);
  }

  /** Send what is left and say goodbye. */
  async shutdown(): Promise<void> {
    await this.sender.stop(5000);
  }

  /** Return a span of the SDK, or with `end` undefined a mark of it, encoded. */
  item(
    span: ReadableSpan,
    context: SpanContext,
    end: HrTime | undefined,
    fields: () => void,
  ): Item {
    const parent = span.parentSpanContext;
    const record = {
      context,
      parent:
        parent === undefined
          ? undefined
          : { spanId: parent.spanId, isRemote: parent.isRemote === true },
      name: span.name,
      // OTLP counts from 1, with 0 for unknown.
      kind: span.kind + 1,
      start: span.startTime,
      end,
    };
    return {
      span: otlp.span(record, fields),
      scope: this.#cached(span.instrumentationScope, encodeScope),
      resource: this.#cached(span.resource, encodeResource),
    };
  }

  /** An announced span has something new. */
  touch(open: OpenSpan): void {
    this.sender.touch(open);
  }

  #cached<T extends object>(owner: T, encode: (owner: T) => Buffer): Buffer {
    let encoded = this.#encoded.get(owner);
    if (encoded === undefined) {
      encoded = encode(owner);
      this.#encoded.set(owner, encoded);
    }
    return encoded;
  }

  #note(error: unknown): void {
    this.sender.lastError = error instanceof Error ? error.message : String(error);
  }
}

class OpenSpan implements Markable {
  announced = false;
  #changedKeys: Set<string> | undefined;
  #eventsAnnounced = 0;

  constructor(
    private readonly span: SdkSpan & ReadableSpan,
    private readonly processor: SidespanSpanProcessor,
  ) {}

  mark(): Item {
    const { span } = this;
    const keys = this.#changedKeys ?? Object.keys(span.attributes);
    const events = span.events.slice(this.#eventsAnnounced);
    if (!this.announced) this.#watch();
    this.announced = true;
    this.#changedKeys = new Set();
    this.#eventsAnnounced = span.events.length;
    return this.processor.item(span, contextOf(span), undefined, () => {
      for (const key of keys) otlp.write.attribute(key, span.attributes[key]);
      writeEvents(events);
    });
  }

  marked(): void {
    // A stock span has nobody who waits for it.
  }

  /** The SDK tells a processor of no change; only a span that was announced pays for it. */
  #watch(): void {
    const { span } = this;
    const { setAttribute, setAttributes, addEvent } = span;
    const changed = (keys: readonly string[]): void => {
      for (const key of keys) this.#changedKeys?.add(key);
      this.processor.touch(this);
    };
    span.setAttribute = (key, value) => {
      changed([key]);
      return setAttribute.call(span, key, value);
    };
    span.setAttributes = (attributes) => {
      changed(Object.keys(attributes));
      return setAttributes.call(span, attributes);
    };
    span.addEvent = (...given: Parameters<typeof addEvent>) => {
      changed([]);
      return addEvent.apply(span, given);
    };
  }
}

function contextOf(span: SdkSpan | ReadableSpan): SpanContext {
  return plainContext(span.spanContext());
}

function plainContext(context: ApiSpanContext): SpanContext {
  const { traceId, spanId, traceFlags, traceState, isRemote } = context;
  const state = traceState === undefined ? "" : traceState.serialize();
  return { traceId, spanId, traceFlags, traceState: state, isRemote: isRemote === true };
}

function encodeScope({ name, version }: ReadableSpan["instrumentationScope"]): Buffer {
  return otlp.scope(name, version ?? "");
}

function encodeResource({ attributes }: ReadableSpan["resource"]): Buffer {
  return otlp.resource(attributes);
}

function writeAll(span: ReadableSpan): void {
  const { attributes, status } = span;
  for (const key in attributes) otlp.write.attribute(key, attributes[key]);
  otlp.write.droppedAttributes(span.droppedAttributesCount);
  writeEvents(span.events);
  otlp.write.droppedEvents(span.droppedEventsCount);
  for (const { context, attributes: given } of span.links) {
    otlp.write.link(plainContext(context), given ?? {});
  }
  otlp.write.droppedLinks(span.droppedLinksCount);
  if (status.code !== 0) otlp.write.status(status.code, status.message ?? "");
}

function writeEvents(events: ReadableSpan["events"]): void {
  for (const { name, time, attributes } of events) {
    otlp.write.event(name, time, attributes ?? {});
  }
}
