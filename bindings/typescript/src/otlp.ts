/**
 * OTLP spans as protobuf, written by hand. Field numbers are those of
 * opentelemetry/proto/trace/v1/trace.proto, in ascending order as the protobuf runtimes write them.
 */

import type { SpanContext } from "./context.js";
import {
  EVENT_ATTRIBUTES_MAX,
  LINK_ATTRIBUTES_MAX,
  NAME_BYTES_MAX,
  SPAN_ID_BYTES,
  TRACE_ID_BYTES,
} from "./limits.js";
import { Writer } from "./protobuf.js";
import { cutKey, cutText, writeAnyValue } from "./value.js";

/** The tag of `attributes` in each message that has them. */
export const AttributesOf = { span: 0x4a, event: 0x1a, link: 0x22, resource: 0x0a } as const;

export const StatusCode = { OK: 1, ERROR: 2 } as const;
const HAS_IS_REMOTE = 0x100;
const IS_REMOTE = 0x200;
const FLAGS_BYTE = 0xff;

export type Attributes = Readonly<Record<string, unknown>>;

/** A time since the Unix epoch: nanoseconds, or seconds and nanoseconds. */
export type Time = bigint | readonly [seconds: number, nanos: number];

/** A span as it is written, beside the fields that `write` adds. */
export interface SpanRecord {
  readonly context: SpanContext;
  /** Undefined for a root. */
  readonly parent: { readonly spanId: string; readonly isRemote: boolean } | undefined;
  readonly name: string;
  /** A number of OTLP's `SpanKind`. */
  readonly kind: number;
  readonly start: Time;
  /** Undefined for one that has not ended: a mark. */
  readonly end: Time | undefined;
}

const out = new Writer();

/** Write one KeyValue as a field; throws nothing, whatever `value` does. */
function writeAttribute(tag: number, key: string, value: unknown): void {
  const pair = out.open(tag);
  out.text(0x0a, cutKey(key));
  const any = out.open(0x12);
  writeAnyValue(out, value);
  out.close(any);
  out.close(pair);
}

function writeAttributes(tag: number, attributes: Attributes, max: number): number {
  let count = 0;
  for (const key of Object.keys(attributes)) {
    if (++count > max) continue;
    let value: unknown;
    try {
      value = attributes[key];
    } catch {
      value = "<a getter that throws>";
    }
    writeAttribute(tag, key, value);
  }
  return Math.max(0, count - max);
}

/** Writes the fields of a span that is being encoded, in ascending order of their numbers. */
export const write = {
  attribute: (key: string, value: unknown): void => {
    writeAttribute(AttributesOf.span, key, value);
  },
  /** Attributes over the limit are counted. */
  event: (name: string, time: Time, attributes: Attributes): void => {
    const body = out.open(0x5a);
    out.byte(0x09);
    writeTime(time);
    out.text(0x12, cutText(name, NAME_BYTES_MAX));
    const dropped = writeAttributes(AttributesOf.event, attributes, EVENT_ATTRIBUTES_MAX);
    if (dropped > 0) count(0x20, dropped);
    out.close(body);
  },
  link: (context: SpanContext, attributes: Attributes): void => {
    const body = out.open(0x6a);
    out.hex(0x0a, context.traceId, TRACE_ID_BYTES);
    out.hex(0x12, context.spanId, SPAN_ID_BYTES);
    if (context.traceState !== "") out.text(0x1a, context.traceState);
    const dropped = writeAttributes(AttributesOf.link, attributes, LINK_ATTRIBUTES_MAX);
    if (dropped > 0) count(0x28, dropped);
    out.byte(0x35);
    out.fixed32(flagsOf(context, context.isRemote));
    out.close(body);
  },
  status: (code: number, message: string): void => {
    const body = out.open(0x7a);
    if (message !== "") out.text(0x12, cutText(message, NAME_BYTES_MAX));
    count(0x18, code);
    out.close(body);
  },
  /** How many there were beside those written; 0 is not written. */
  droppedAttributes: (number: number): void => countUnlessZero(0x50, number),
  droppedEvents: (number: number): void => countUnlessZero(0x60, number),
  droppedLinks: (number: number): void => countUnlessZero(0x70, number),
  /** A field that `field` made. */
  field: (bytes: Uint8Array): void => out.raw(bytes),
};

/** Return what `work` writes, to be written with `write.field` later. */
export function field(work: () => void): Buffer {
  work();
  return out.take();
}

/** Return an encoded Span; `fields` writes its attributes, events, links and status. */
export function span(record: SpanRecord, fields: () => void): Buffer {
  const { context, parent } = record;
  out.hex(0x0a, context.traceId, TRACE_ID_BYTES);
  out.hex(0x12, context.spanId, SPAN_ID_BYTES);
  if (context.traceState !== "") out.text(0x1a, context.traceState);
  if (parent !== undefined) out.hex(0x22, parent.spanId, SPAN_ID_BYTES);
  out.text(0x2a, cutText(record.name, NAME_BYTES_MAX));
  count(0x30, record.kind);
  out.byte(0x39);
  writeTime(record.start);
  if (record.end !== undefined) {
    out.byte(0x41);
    writeTime(record.end);
  }
  fields();
  out.byte(0x85);
  out.byte(0x01);
  out.fixed32(flagsOf(context, parent?.isRemote === true));
  return out.take();
}

/** Return an encoded Resource. */
export function resource(attributes: Attributes): Buffer {
  writeAttributes(AttributesOf.resource, attributes, Number.MAX_SAFE_INTEGER);
  return out.take();
}

/** Return an encoded InstrumentationScope. */
export function scope(name: string, version: string): Buffer {
  if (name !== "") out.text(0x0a, name);
  if (version !== "") out.text(0x12, version);
  return out.take();
}

/** A span on its way, with what it belongs to. Equal buffers are the same object. */
export interface Item {
  readonly span: Buffer;
  readonly scope: Buffer;
  readonly resource: Buffer;
}

/** Return an encoded ExportTraceServiceRequest; neighbours of one resource and scope share them. */
export function exportRequest(items: readonly Item[]): Buffer {
  let index = 0;
  while (index < items.length) {
    const resourceOf = items[index]!.resource;
    const resourceSpans = out.open(0x0a);
    out.bytes(0x0a, resourceOf);
    while (items[index]?.resource === resourceOf) {
      const scopeOf = items[index]!.scope;
      const scopeSpans = out.open(0x12);
      out.bytes(0x0a, scopeOf);
      for (; ; index++) {
        const item = items[index];
        if (item === undefined || item.resource !== resourceOf || item.scope !== scopeOf) break;
        out.bytes(0x12, item.span);
      }
      out.close(scopeSpans);
    }
    out.close(resourceSpans);
  }
  return out.take();
}

/** Return the 24 bytes that name a span in `Records.ended`. */
export function endedId(context: SpanContext): Buffer {
  return Buffer.from(context.traceId + context.spanId, "hex");
}

function flagsOf(context: SpanContext, parentIsRemote: boolean): number {
  return (context.traceFlags & FLAGS_BYTE) | HAS_IS_REMOTE | (parentIsRemote ? IS_REMOTE : 0);
}

function count(tag: number, number: number): void {
  out.byte(tag);
  out.varint(number);
}

function countUnlessZero(tag: number, number: number): void {
  if (number > 0) count(tag, number);
}

function writeTime(time: Time): void {
  if (typeof time === "bigint") out.fixed64(time);
  else out.fixed64Time(time[0], time[1]);
}
