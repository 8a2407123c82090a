/** A call of a model as a conversation, with each tool call beside its result. */

import type { Json, Message, Part } from "../../shapes";

export type Side = "system" | "input" | "output";

/** A part that is shown as it is. */
export interface Plain {
  readonly type: "plain";
  readonly part: Part;
}

/** A call of a tool with what came back. */
export interface Exchange {
  readonly type: "exchange";
  readonly callId: string;
  readonly tool: string;
  readonly args: Json;
  /** Undefined where no result is in these messages. */
  readonly result: Json | undefined;
}

export interface Turn {
  readonly side: Side;
  /** From 0 within its side. */
  readonly index: number;
  readonly role: string;
  readonly name: string | null;
  readonly finishReason: string | null;
  readonly parts: readonly (Plain | Exchange)[];
}

interface Messages {
  readonly system: readonly Message[];
  readonly input: readonly Message[];
  readonly output: readonly Message[];
}

const isCall = (part: Part) => part.type === "tool_call" || part.type === "server_tool_call";
const isResult = (part: Part) =>
  part.type === "tool_call_response" || part.type === "server_tool_call_response";

/** Returns what a result part holds, under its newer or its older name. */
const resultOf = (part: Part): Json => part.response ?? part.result ?? part.content ?? null;

/**
 * Returns the turns in order.
 *
 * A result stands beside the call that has its id; a turn of which nothing is left is left out. A
 * result without a call stays where it is.
 */
export function turnsOf(messages: Messages): Turn[] {
  const sides: Side[] = ["system", "input", "output"];
  const results = new Map<string, Part>();
  const calls = new Set<string>();
  for (const side of sides) {
    for (const part of messages[side].flatMap((message) => message.parts)) {
      if (part.id === undefined) continue;
      // Of a call that is repeated the first keeps its id, of results the first is the answer.
      if (isResult(part) && !results.has(part.id)) results.set(part.id, part);
      if (isCall(part)) calls.add(part.id);
    }
  }
  const placed = new Set<string>();
  return sides.flatMap((side) =>
    messages[side].flatMap((message, index) => {
      const parts = message.parts.flatMap((part) => shown(part, results, calls, placed));
      if (parts.length === 0 && message.parts.length > 0) return [];
      const { role, name, finish_reason: finishReason } = message;
      return [{ side, index, role, name, finishReason, parts }];
    }),
  );
}

function shown(
  part: Part,
  results: ReadonlyMap<string, Part>,
  calls: ReadonlySet<string>,
  placed: Set<string>,
): (Plain | Exchange)[] {
  if (isCall(part)) {
    const id = part.id ?? "";
    const known = id !== "" && !placed.has(id) ? results.get(id) : undefined;
    placed.add(id);
    return [
      {
        type: "exchange",
        callId: id,
        tool: part.name ?? "",
        args: part.arguments ?? null,
        result: known === undefined ? undefined : resultOf(known),
      },
    ];
  }
  const beside = isResult(part) && part.id !== undefined && calls.has(part.id);
  return beside && results.get(part.id!) === part ? [] : [{ type: "plain", part }];
}

/** Returns what a part that is no call says; structures as they are. */
export function saidBy(part: Part): Json {
  if (isResult(part)) return resultOf(part);
  if (part.content !== undefined) return part.content;
  if (part.uri !== undefined) return part.uri;
  if (part.file_id !== undefined) return part.file_id;
  const { type: _, ...rest } = part;
  return Object.fromEntries(Object.entries(rest).filter((pair) => pair[1] !== undefined)) as Json;
}
