/** Who a span is, and what is current where. */

import { AsyncLocalStorage } from "node:async_hooks";
import { randomFillSync } from "node:crypto";

import { SPAN_ID_BYTES, TRACE_ID_BYTES } from "./limits.js";

const SAMPLED = 0x01;
const POOL_BYTES = 4096;

/** What travels from a span to its children, in this process or another. */
export interface SpanContext {
  /** 32 lower-case hex digits, not all zero in a valid context. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero in a valid context. */
  readonly spanId: string;
  /** The W3C flags; bit 0 is sampled. */
  readonly traceFlags: number;
  /** The W3C `tracestate` that the trace brought into this process, or empty. */
  readonly traceState: string;
  /** Whether it came from another process. */
  readonly isRemote: boolean;
}

/** As a parent: the span begins a trace, whatever is current. */
export const NO_PARENT: SpanContext = Object.freeze({
  traceId: "0".repeat(2 * TRACE_ID_BYTES),
  spanId: "0".repeat(2 * SPAN_ID_BYTES),
  traceFlags: 0,
  traceState: "",
  isRemote: false,
});

/** Tell whether a context names a span. */
export function isValid(context: SpanContext): boolean {
  return context.traceId !== NO_PARENT.traceId && context.spanId !== NO_PARENT.spanId;
}

/** Return the identity of a new span within `parent`, or of one that begins a trace. */
export function newContext(parent: SpanContext | undefined): SpanContext {
  const spanId = randomHex(SPAN_ID_BYTES);
  if (parent === undefined || !isValid(parent)) {
    const traceId = randomHex(TRACE_ID_BYTES);
    return { traceId, spanId, traceFlags: SAMPLED, traceState: "", isRemote: false };
  }
  const { traceId, traceFlags, traceState } = parent;
  return { traceId, spanId, traceFlags, traceState, isRemote: false };
}

const pool = Buffer.allocUnsafe(POOL_BYTES);
let used = POOL_BYTES;

function randomHex(bytes: number): string {
  // Drawn in blocks: a call for 16 bytes costs as much as one for 4096.
  if (used + bytes > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const text = pool.toString("hex", used, used + bytes);
  used += bytes;
  return /^0+$/.test(text) ? randomHex(bytes) : text;
}

/** Something that may be current: a span of this process, or a parent from another. */
export interface Current {
  readonly context: SpanContext;
}

export const currentStore = new AsyncLocalStorage<Current>();
