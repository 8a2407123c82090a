/** The facts about a span that stand at its head, each with its name. */

import type { Ai, Json, SpanDetail, SpanDocument } from "../../shapes";
import { withheld } from "../json/tree";
import { cost, count, duration, timeOfDay } from "../../lib/format";

export interface Fact {
  readonly name: string;
  readonly value: string;
  /** What the number means, where that is not plain. */
  readonly note?: string;
}

/** Returns the facts that are known, the weightiest first. */
export function factsOf({ span, ai }: SpanDetail): Fact[] {
  return [...(ai === null ? [] : aiFacts(ai)), ...timeFacts(span)];
}

function aiFacts(ai: Ai): Fact[] {
  const facts: (Fact | null)[] = [
    text("model", modelOf(ai)),
    text("provider", ai.provider),
    ...tokenFacts(ai),
    ai.cost_usd === null
      ? null
      : { name: "cost", value: cost(ai.cost_usd), note: "as the caller reported it" },
    ai.ttft_ms === null ? null : text("first token", duration(ai.ttft_ms * 1_000)),
    text("finish", ai.finish_reasons.join(", ")),
    text("agent", ai.agent ?? ai.agent_id),
    text("workflow", ai.workflow),
    text("tool", ai.tool),
    text("tool call", ai.tool_call_id),
    text("conversation", ai.conversation_id),
    text("user", ai.user_id),
    text("prompt", [ai.prompt_name, ai.prompt_version].filter(Boolean).join(" ")),
    text("correlation", ai.correlation_id),
    text("request", ai.request_id),
  ];
  return facts.filter((fact) => fact !== null);
}

function modelOf({ model, model_requested: asked }: Ai): string | null {
  return model !== null && asked !== null && asked !== model
    ? `${model} (asked: ${asked})`
    : (model ?? asked);
}

function tokenFacts({ tokens, aggregate }: Ai): (Fact | null)[] {
  const { input, output, cached, reasoning } = tokens;
  const notes = [
    ...(cached ? [`${count(cached)} cached`] : []),
    ...(tokens.inferred ? ["sum inferred"] : []),
    ...(aggregate ? ["sum over its calls"] : []),
  ];
  const sides: (Fact | null)[] = [
    input === null ? null : withNote("tokens in", count(input), notes.join(", ")),
    output === null
      ? null
      : withNote("tokens out", count(output), reasoning ? `${count(reasoning)} reasoning` : ""),
  ];
  return sides;
}

function timeFacts(span: SpanDocument): Fact[] {
  const start = nanoseconds(span["start_ns"]);
  const end = nanoseconds(span["end_ns"]);
  const facts: Fact[] = [];
  if (end > start) facts.push({ name: "took", value: duration(Number(end - start) / 1_000) });
  if (start > 0n) facts.push({ name: "began", value: timeOfDay(Number(start / 1_000n) / 1_000) });
  return facts;
}

function nanoseconds(value: Json | undefined): bigint {
  return typeof value === "string" && /^\d+$/.test(value) ? BigInt(value) : 0n;
}

function text(name: string, value: string | null): Fact | null {
  return value === null || value === "" ? null : { name, value };
}

function withNote(name: string, value: string, note: string): Fact {
  return note === "" ? { name, value } : { name, value, note };
}

export interface Failure {
  readonly type: string;
  readonly message: string;
  readonly stack: Json;
}

/** Returns the exceptions that a span recorded, and its status where that says an error alone. */
export function failuresOf(span: SpanDocument): Failure[] {
  const found = listOf(span["events"]).flatMap((event) => {
    if (event["name"] !== "exception") return [];
    const attributes = event["attributes"] as SpanDocument;
    const of = (key: string) => attributes[`exception.${key}`] ?? "";
    return [{ type: String(of("type")), message: words(of("message")), stack: of("stacktrace") }];
  });
  if (found.length === 0 && span["status"] === "error") {
    return [{ type: "error", message: words(span["status_message"]), stack: "" }];
  }
  return found;
}

/** Returns a list of documents; empty for what is none. */
export function listOf(value: Json | undefined): SpanDocument[] {
  return Array.isArray(value) ? (value as SpanDocument[]) : [];
}

/** Returns a value as a line of text; of a large one the beginning. */
export function words(value: Json | undefined): string {
  if (value === undefined || value === null) return "";
  const kept = withheld(value);
  if (kept !== null) return `${kept.preview}…`;
  return typeof value === "string" ? value : JSON.stringify(value);
}
