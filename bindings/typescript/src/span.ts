/** Spans: what a program did, from when to when, within what. */

import { nowNs } from "./clock.js";
import { currentStore, NO_PARENT, newContext, isValid, type SpanContext } from "./context.js";
import {
  SPAN_ATTRIBUTES_MAX,
  SPAN_BYTES_MAX,
  SPAN_EVENTS_MAX,
  SPAN_LINKS_MAX,
  STACKTRACE_BYTES_MAX,
} from "./limits.js";
import type { Markable } from "./open_spans.js";
import * as otlp from "./otlp.js";
import type { Attributes, Item } from "./otlp.js";
import type { Recording } from "./runtime.js";
import { cutText, safeText } from "./value.js";

const KINDS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;

export interface SpanOptions {
  /** Values may be anything; they are looked at now, not later. */
  readonly attributes?: Attributes;
  /** Default `internal`. */
  readonly kind?: keyof typeof KINDS;
  /** Default the current span; `NO_PARENT` begins a trace. */
  readonly parent?: SpanContext | Span | undefined;
  /** Have its start on the node's disk before the body runs. */
  readonly durable?: boolean;
  /** Tokens of what this span acts upon; recorded as `sidespan.cites`. */
  readonly cites?: readonly string[];
}

/**
 * One operation, recorded when it ends. No method throws, prints or waits; after `end`, and while
 * nothing is recorded, they do nothing.
 */
export class Span implements Markable {
  /** Its identity; all zero while nothing is recorded. */
  readonly context: SpanContext;
  readonly #name: string;
  readonly #kind: number;
  readonly #parent: SpanContext | undefined;
  readonly #startNs: bigint;
  #recording: Recording | undefined;
  #attributes = new Map<string, Buffer>();
  #events: Buffer[] = [];
  #links: Buffer[] = [];
  #status: Buffer | undefined;
  #bytesLeft = SPAN_BYTES_MAX;
  #droppedAttributes = 0;
  #droppedEvents = 0;
  #droppedLinks = 0;
  #announced = false;
  #changedKeys = new Set<string>();
  #eventsAnnounced = 0;
  #durable = false;
  #onMarked: (() => void)[] = [];

  constructor(recording: Recording | undefined, name: string, options: SpanOptions = {}) {
    const given = options.parent ?? currentStore.getStore()?.context;
    const parent = given instanceof Span ? given.context : given;
    this.#recording = recording;
    this.#name = safeText(name);
    this.#kind = KINDS[options.kind ?? "internal"] ?? KINDS.internal;
    this.#parent = parent !== undefined && isValid(parent) ? parent : undefined;
    this.context = recording === undefined ? (this.#parent ?? NO_PARENT) : newContext(parent);
    this.#startNs = recording === undefined ? 0n : nowNs();
    if (recording === undefined) return;
    recording.sender.opened(this);
    if (options.attributes !== undefined) this.set(options.attributes);
    if (options.cites !== undefined) this.set({ "sidespan.cites": [...options.cites] });
  }

  /** 32 lower-case hex digits. */
  get traceId(): string {
    return this.context.traceId;
  }

  /** 16 lower-case hex digits. */
  get spanId(): string {
    return this.context.spanId;
  }

  /** Whether what is set on it now will be recorded. */
  get recording(): boolean {
    return this.#recording !== undefined;
  }

  /** Whether its start is on the node's disk. */
  get durable(): boolean {
    return this.#durable;
  }

  /** Set attributes, in place of older ones of the same key. */
  set(attributes: Attributes): this {
    return this.#change(() => {
      for (const key of Object.keys(attributes)) this.#put(key, attributes);
    });
  }

  /** Add something that happens now. */
  addEvent(name: string, attributes: Attributes = {}): this {
    return this.#change(() => this.#addEvent(name, attributes));
  }

  /** Link to another span, of this trace or another. */
  link(other: Span | SpanContext | undefined, attributes: Attributes = {}): this {
    return this.#change(() => {
      const context = other instanceof Span ? other.context : other;
      if (context === undefined || !isValid(context)) return;
      const field = otlp.field(() => otlp.write.link(context, attributes));
      if (this.#links.length < SPAN_LINKS_MAX && this.#affords(field)) this.#links.push(field);
      else this.#droppedLinks++;
    });
  }

  /** Mark it as failed: status ERROR, and an `exception` event with type, message and stack. */
  fail(error: unknown): this {
    return this.#change(() => {
      const isError = error instanceof Error;
      const message = isError ? safeText(error.message) : safeText(error);
      const stack = isError && typeof error.stack === "string" ? error.stack : "";
      this.#status = otlp.field(() => otlp.write.status(otlp.StatusCode.ERROR, message));
      this.#addEvent("exception", {
        "exception.type": isError ? safeText(error.name) : typeof error,
        "exception.message": message,
        ...(stack === "" ? {} : { "exception.stacktrace": cutText(stack, STACKTRACE_BYTES_MAX) }),
      });
    });
  }

  /** End it; the first call counts. */
  end(): void {
    const recording = this.#recording;
    if (recording === undefined) return;
    this.#recording = undefined;
    recording.guarded(() => {
      recording.sender.open.remove(this);
      const item = this.#item(recording, nowNs(), () => this.#writeAll());
      const endedId = this.#announced ? otlp.endedId(this.context) : undefined;
      recording.offer(item, endedId);
    });
    this.#attributes = new Map();
    this.#events = [];
  }

  /** Have its start written to disk; settles when it is there, or after `timeoutMs`. */
  async announce(timeoutMs: number): Promise<boolean> {
    const recording = this.#recording;
    if (recording === undefined || this.#durable) return this.#durable;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#onMarked.push(() => {
        clearTimeout(timer);
        resolve();
      });
      recording.sender.open.hurry(this);
    });
    return this.#durable;
  }

  /** Part of `Markable`. */
  mark(): Item {
    const recording = this.#recording;
    if (recording === undefined) throw new Error("an ended span was to be announced");
    const changed = this.#announced ? [...this.#changedKeys] : [...this.#attributes.keys()];
    const attributes = changed.flatMap((key) => this.#attributes.get(key) ?? []);
    const events = this.#events.slice(this.#eventsAnnounced);
    this.#announced = true;
    this.#changedKeys.clear();
    this.#eventsAnnounced = this.#events.length;
    return this.#item(recording, undefined, () => {
      for (const field of [...attributes, ...events]) otlp.write.field(field);
    });
  }

  /** Part of `Markable`. */
  marked(): void {
    this.#durable = true;
    for (const resolve of this.#onMarked.splice(0)) resolve();
  }

  #item(recording: Recording, end: bigint | undefined, fields: () => void): Item {
    const { context } = this;
    const [parent, name, kind, start] = [this.#parent, this.#name, this.#kind, this.#startNs];
    const span = otlp.span({ context, parent, name, kind, start, end }, fields);
    return { span, scope: recording.scope, resource: recording.resource };
  }

  #writeAll(): void {
    for (const attribute of this.#attributes.values()) otlp.write.field(attribute);
    otlp.write.droppedAttributes(this.#droppedAttributes);
    for (const event of this.#events) otlp.write.field(event);
    otlp.write.droppedEvents(this.#droppedEvents);
    for (const link of this.#links) otlp.write.field(link);
    otlp.write.droppedLinks(this.#droppedLinks);
    if (this.#status !== undefined) otlp.write.field(this.#status);
  }

  #put(key: string, attributes: Attributes): void {
    let value: unknown;
    try {
      value = attributes[key];
    } catch {
      value = "<a getter that throws>";
    }
    const field = otlp.field(() => otlp.write.attribute(key, value));
    const older = this.#attributes.get(key);
    if (older === undefined && this.#attributes.size >= SPAN_ATTRIBUTES_MAX) {
      this.#droppedAttributes++;
      return;
    }
    this.#bytesLeft += older?.length ?? 0;
    if (!this.#affords(field)) {
      this.#droppedAttributes++;
      this.#attributes.delete(key);
      return;
    }
    this.#attributes.set(key, field);
    if (this.#announced) this.#changedKeys.add(key);
  }

  #addEvent(name: string, attributes: Attributes): void {
    const field = otlp.field(() => otlp.write.event(safeText(name), nowNs(), attributes));
    if (this.#events.length < SPAN_EVENTS_MAX && this.#affords(field)) this.#events.push(field);
    else this.#droppedEvents++;
  }

  #affords(field: Buffer): boolean {
    if (field.length > this.#bytesLeft) return false;
    this.#bytesLeft -= field.length;
    return true;
  }

  #change(work: () => void): this {
    const recording = this.#recording;
    if (recording === undefined) return this;
    recording.guarded(work);
    if (this.#announced) recording.sender.touch(this);
    return this;
  }
}
