/**
 * The documents of the API, as it sends them. Times in nanoseconds are decimal strings, because a
 * number holds 53 bits; a position is `<lineage hex>:<lsn>`. Fields are only ever added.
 */

export type TraceStatus = "ok" | "error" | "open" | "abandoned";

/** One trace in the list. */
export interface TraceRow {
  trace_id: string;
  name: string;
  service: string;
  services: string[];
  agent: string | null;
  agents: string[];
  conversation_id: string | null;
  user_id: string | null;
  models: string[];
  tools: string[];
  start_ns: string;
  end_ns: string | null;
  duration_ns: string | null;
  span_count: number;
  open_count: number;
  abandoned_count: number;
  error_count: number;
  llm_count: number;
  tool_count: number;
  tokens_in: number;
  tokens_out: number;
  tokens_cached: number;
  tokens_reasoning: number;
  cost_usd: number | null;
  status: TraceStatus;
  first_position: string;
  last_position: string;
  match: string | null;
}

/** One page of the list. */
export interface TracePage {
  traces: TraceRow[];
  next: string | null;
  position: string | null;
  index: { state: "live" | "building"; lag_ms: number };
}

/** Sums over equal slices of time, oldest first; all arrays have one length. */
export interface Strip {
  from_ns: string;
  to_ns: string;
  bucket_ns: string;
  traces: number[];
  spans: number[];
  errors: number[];
  tokens_in: number[];
  tokens_out: number[];
  cost_usd: (number | null)[];
  p50_ms: (number | null)[];
  p95_ms: (number | null)[];
}

/** Values seen for a field, or the fields of the grammar. */
export interface Completions {
  values?: { value: string; count: number }[];
  fields?: { name: string; help: string }[];
}

/** The columns of a trace; index `i` of each is row `i` in display order. */
export interface SkeletonColumns {
  span_id: string[];
  parent: number[];
  depth: number[];
  start_us: number[];
  duration_us: number[];
  name: number[];
  service: number[];
  ai_kind: number[];
  kind: number[];
  agent: number[];
  process: number[];
  model: number[];
  tool: number[];
  node: number[];
  status: number[];
  state: number[];
  tokens_in: number[];
  tokens_out: number[];
  cost_usd: (number | null)[];
  ttft_us: number[];
  events: number[];
  links: number[];
  order: number[];
  flags: number[];
}

export type EdgeKind = "link" | "tool_call" | "token" | "retry_of" | "handoff";

export interface SkeletonEdge {
  from: number;
  to: number;
  kind: EdgeKind;
  label: string;
}

/** A trace as columns, for up to a million spans. */
export interface SkeletonDocument {
  trace_id: string;
  position: string | null;
  count: number;
  start_ns: string;
  end_ns: string | null;
  strings: string[];
  columns: SkeletonColumns;
  edges: SkeletonEdge[];
  gaps: unknown[];
}

/** What stands for a text or value of over 4 KiB; the whole is read by range. */
export interface ContentRef {
  $content: string;
  bytes: number;
  preview: string;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One part of a message, as OpenTelemetry's GenAI conventions have it. */
export interface Part {
  type: string;
  id?: string;
  name?: string;
  content?: Json;
  arguments?: Json;
  response?: Json;
  result?: Json;
  uri?: string;
  file_id?: string;
  mime_type?: string;
  modality?: string;
  [field: string]: Json | undefined;
}

export interface Message {
  role: string;
  name: string | null;
  finish_reason: string | null;
  parts: Part[];
}

/** What a span says of AI, whatever dialect it was written in. */
export interface Ai {
  kind: string;
  dialect: string;
  provider: string | null;
  model_requested: string | null;
  model: string | null;
  tokens: {
    input: number | null;
    output: number | null;
    cached: number | null;
    cache_write: number | null;
    reasoning: number | null;
    inferred: boolean;
  };
  cost_usd: number | null;
  agent: string | null;
  agent_id: string | null;
  workflow: string | null;
  tool: string | null;
  tool_call_id: string | null;
  conversation_id: string | null;
  user_id: string | null;
  prompt_name: string | null;
  prompt_version: string | null;
  correlation_id: string | null;
  request_id: string | null;
  finish_reasons: string[];
  ttft_ms: number | null;
  stream: boolean | null;
  error_type: string | null;
  aggregate: boolean;
}

export interface StateSnapshot {
  index: number;
  event_time_ns: string;
  name: string;
  key: "before" | "after";
  /** The attribute that holds it. */
  attribute: string;
  value: Json;
}

/** The span as the trace document holds it: `attributes`, `events`, `links`, `resource` and so on. */
export type SpanDocument = { [field: string]: Json };

/** One span with all that belongs to it. */
export interface SpanDetail {
  span: SpanDocument;
  ai: Ai | null;
  messages: { system: Message[]; input: Message[]; output: Message[] };
  tool: { name: string; call_id: string | null; arguments: Json; result: Json } | null;
  states: StateSnapshot[];
  logs: SpanDocument[];
  edges: Json[];
  stamp: { [field: string]: Json } | null;
  record: { [field: string]: Json } | null;
}

export type ChangeOp = "added" | "dropped" | "changed" | "truncated" | "moved";

export interface Change {
  op: ChangeOp;
  path: (string | number)[];
  label: string;
  before: Json;
  after: Json;
  /** Of what moved the index that it had; null otherwise. */
  source: number | null;
  hunks: { op: string; text: string; characters: number }[];
}

/** What changed between two snapshots or two message lists. */
export interface Diff {
  of: "state" | "messages";
  from: { [field: string]: Json } | null;
  to: { [field: string]: Json } | null;
  changes: Change[];
  truncated: boolean;
}

export interface Gap {
  [field: string]: Json;
}

export interface Status {
  readonly version: string;
  /** Socket where programs of this node connect. */
  readonly ingest: string | null;
}
