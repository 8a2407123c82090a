/** A span as it stood while it ran: without what its record says of later. */

import type { Ai, Json, SpanDetail, SpanDocument } from "../../shapes";

/**
 * Attributes that are known when a step begins. A record does not tell when an attribute was set,
 * so the others could be its outcome.
 */
const GIVEN = [
  "gen_ai.agent.", "gen_ai.conversation.id", "gen_ai.input.messages", "gen_ai.operation.name",
  "gen_ai.prompt.", "gen_ai.provider.name", "gen_ai.request.", "gen_ai.system",
  "gen_ai.system_instructions", "gen_ai.tool.call.arguments", "gen_ai.tool.call.id",
  "gen_ai.tool.definitions", "gen_ai.tool.description", "gen_ai.tool.name", "gen_ai.tool.type",
  "input.mime_type", "input.value", "llm.input_messages.", "llm.invocation_parameters",
  "openinference.span.kind", "session.id", "tool.name", "tool.parameters", "user.id",
];

/** Returns whether an attribute says what a step was given, not what became of it. */
export function isGiven(name: string): boolean {
  return GIVEN.some((one) => (one.endsWith(".") ? name.startsWith(one) : name === one));
}

/**
 * Returns a span as it stood at a moment at which it had begun and not ended.
 *
 * Its end, status, answer, result, tokens, cost and last snapshots are left out, and so is each
 * event and log record that is later or tells no time.
 *
 * @param nowNs The moment, by the clock of the span.
 */
export function asOf(detail: SpanDetail, nowNs: bigint): SpanDetail {
  const there = (one: SpanDocument): boolean => isBy(one["time_ns"], nowNs);
  const span: SpanDocument = { ...detail.span, state: "running" };
  for (const name of ["end_ns", "duration_ns", "status", "status_message"]) delete span[name];
  span["events"] = list(detail.span["events"]).filter(there);
  const attributes = (detail.span["attributes"] ?? {}) as SpanDocument;
  span["attributes"] = Object.fromEntries(
    Object.entries(attributes).filter(([name]) => isGiven(name)),
  );
  return {
    ...detail,
    span,
    ai: detail.ai === null ? null : aiAsOf(detail.ai, detail.span["start_ns"], nowNs),
    messages: { ...detail.messages, output: [] },
    tool: detail.tool === null ? null : { ...detail.tool, result: null },
    states: detail.states.filter((state) => state.key !== "after"),
    logs: detail.logs.filter(there),
  };
}

function aiAsOf(ai: Ai, startNs: Json | undefined, nowNs: bigint): Ai {
  const firstMs = typeof startNs === "string" ? Number(nowNs - BigInt(startNs)) / 1e6 : 0;
  return {
    ...ai,
    model: ai.model_requested,
    tokens: {
      input: null, output: null, cached: null, cache_write: null, reasoning: null, inferred: false,
    },
    cost_usd: null,
    request_id: null,
    finish_reasons: [],
    ttft_ms: ai.ttft_ms !== null && ai.ttft_ms <= firstMs ? ai.ttft_ms : null,
    error_type: null,
  };
}

/** Returns whether something was there by a moment. */
export function isBy(time: Json | undefined, nowNs: bigint): boolean {
  return typeof time === "string" && /^\d+$/.test(time) && time !== "0" && BigInt(time) <= nowNs;
}

function list(value: Json | undefined): SpanDocument[] {
  return Array.isArray(value) ? (value as SpanDocument[]) : [];
}
