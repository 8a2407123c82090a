/** A trace as typed columns: a million rows cost tens of megabytes and no object each. */

import type { SkeletonDocument, SkeletonEdge } from "../shapes";

export const STATE_ENDED = 0;
export const STATE_OPEN = 1;
export const STATE_ABANDONED = 2;
/** Abandoned, and its end came later. */
export const STATE_ENDED_LATE = 3;

export const STATUS_ERROR = 2;

export const HAS_CONTENT = 1;
export const HAS_STATE = 2;
export const NO_PARENT = 4;
/** Its tokens and cost repeat those of others. */
export const IS_AGGREGATE = 8;

export class Skeleton {
  readonly count: number;
  readonly traceId: string;
  readonly position: string | null;
  /** When the trace began, in milliseconds since 1970. */
  readonly startMs: number;
  readonly startNs: bigint;
  readonly strings: readonly string[];
  readonly spanId: readonly string[];
  readonly parent: Int32Array;
  readonly depth: Int32Array;
  /** Microseconds after the trace's start. */
  readonly start: Float64Array;
  /** Microseconds; -1 while open. */
  readonly duration: Float64Array;
  readonly name: Uint32Array;
  readonly service: Uint32Array;
  readonly aiKind: Uint32Array;
  readonly kind: Uint32Array;
  readonly agent: Uint32Array;
  readonly process: Uint32Array;
  readonly model: Uint32Array;
  readonly tool: Uint32Array;
  readonly node: Uint32Array;
  readonly status: Uint8Array;
  readonly state: Uint8Array;
  readonly tokensIn: Float64Array;
  readonly tokensOut: Float64Array;
  /** US dollars; NaN where the caller reported none. */
  readonly cost: Float64Array;
  /** Microseconds from a span's start to its first token; -1 where unknown. */
  readonly ttft: Float64Array;
  readonly events: Uint32Array;
  readonly links: Uint32Array;
  /** Rank of the row in the order of the record, from 0. */
  readonly order: Uint32Array;
  readonly flags: Uint8Array;
  readonly edges: readonly SkeletonEdge[];
  readonly gaps: readonly unknown[];
  /** First row behind a row's descendants. */
  readonly next: Int32Array;
  /** Latest end of what has ended, in microseconds. */
  readonly endUs: number;
  readonly openCount: number;
  readonly errorCount: number;
  readonly abandonedCount: number;

  private rows: Map<string, number> | undefined;

  constructor(document: SkeletonDocument) {
    const { columns, count } = document;
    this.count = count;
    this.traceId = document.trace_id;
    this.position = document.position;
    this.startNs = BigInt(document.start_ns);
    this.startMs = Number(this.startNs / 1_000n) / 1_000;
    this.strings = document.strings;
    this.spanId = columns.span_id;
    this.parent = Int32Array.from(columns.parent);
    this.depth = Int32Array.from(columns.depth);
    this.start = Float64Array.from(columns.start_us);
    this.duration = Float64Array.from(columns.duration_us);
    this.name = Uint32Array.from(columns.name);
    this.service = Uint32Array.from(columns.service);
    this.aiKind = Uint32Array.from(columns.ai_kind);
    this.kind = Uint32Array.from(columns.kind);
    this.agent = Uint32Array.from(columns.agent);
    this.process = Uint32Array.from(columns.process);
    this.model = Uint32Array.from(columns.model);
    this.tool = Uint32Array.from(columns.tool);
    this.node = Uint32Array.from(columns.node);
    this.status = Uint8Array.from(columns.status);
    this.state = Uint8Array.from(columns.state);
    this.tokensIn = Float64Array.from(columns.tokens_in);
    this.tokensOut = Float64Array.from(columns.tokens_out);
    this.cost = Float64Array.from(columns.cost_usd, (usd) => usd ?? NaN);
    this.ttft = Float64Array.from(columns.ttft_us);
    this.events = Uint32Array.from(columns.events);
    this.links = Uint32Array.from(columns.links);
    this.order = Uint32Array.from(columns.order);
    this.flags = Uint8Array.from(columns.flags);
    this.edges = document.edges;
    this.gaps = document.gaps;
    this.next = subtreeEnds(this.depth);

    let endUs = 0;
    let open = 0;
    let errors = 0;
    let abandoned = 0;
    for (let row = 0; row < count; row += 1) {
      endUs = Math.max(endUs, this.start[row]! + Math.max(0, this.duration[row]!));
      if (this.state[row] === STATE_OPEN) open += 1;
      if (this.state[row] === STATE_ABANDONED) abandoned += 1;
      if (this.status[row] === STATUS_ERROR) errors += 1;
    }
    this.endUs = endUs;
    this.openCount = open;
    this.errorCount = errors;
    this.abandonedCount = abandoned;
  }

  /** Returns the text of a string column at a row; empty where it has none. */
  text(column: Uint32Array, row: number): string {
    return this.strings[column[row]!] ?? "";
  }

  /** Returns the row of a span, by its id; -1 where the trace has no such span. */
  rowOf(spanId: string): number {
    if (!spanId) return -1;
    this.rows ??= new Map(this.spanId.map((id, row) => [id, row]));
    return this.rows.get(spanId) ?? -1;
  }

  /** Returns when a row ended, in microseconds after the trace's start; `nowUs` while it is open. */
  endOf(row: number, nowUs: number): number {
    const duration = this.duration[row]!;
    if (duration >= 0) return this.start[row]! + duration;
    // Nobody knows when an abandoned span stopped; it is drawn to the last thing that was seen.
    const end = this.state[row] === STATE_OPEN ? nowUs : this.endUs;
    return Math.max(this.start[row]!, end);
  }
}

/** Returns for each row of a pre-order the first row that is not below it. */
export function subtreeEnds(depth: Int32Array): Int32Array {
  const ends = new Int32Array(depth.length);
  const waiting: number[] = [];
  for (let row = 0; row < depth.length; row += 1) {
    while (waiting.length && depth[waiting[waiting.length - 1]!]! >= depth[row]!) {
      ends[waiting.pop()!] = row;
    }
    waiting.push(row);
  }
  for (const row of waiting) ends[row] = depth.length;
  return ends;
}
