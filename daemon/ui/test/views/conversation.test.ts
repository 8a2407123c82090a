import { describe, expect, test } from "vitest";
import type { Message, Part } from "../../src/shapes";
import { saidBy, turnsOf } from "../../src/views/context/conversation";

const message = (role: string, ...parts: Part[]): Message => ({
  role,
  name: null,
  finish_reason: null,
  parts,
});
const text = (content: string): Part => ({ type: "text", content });
const call = (id: string): Part => ({
  type: "tool_call",
  id,
  name: "weather",
  arguments: { city: "Lisbon" },
});
const response = (id: string, said: string): Part => ({
  type: "tool_call_response",
  id,
  response: said,
});

describe("a conversation", () => {
  test("a result stands beside its call, and nowhere else", () => {
    const turns = turnsOf({
      system: [message("system", text("Be brief."))],
      input: [
        message("user", text("Weather?")),
        message("assistant", call("c1")),
        message("tool", response("c1", "21 °C")),
      ],
      output: [message("assistant", text("21 °C."))],
    });

    expect(turns.map((turn) => `${turn.side} ${turn.role}`)).toEqual([
      "system system",
      "input user",
      "input assistant",
      "output assistant",
    ]);
    expect(turns[2]!.parts).toEqual([
      {
        type: "exchange",
        callId: "c1",
        tool: "weather",
        args: { city: "Lisbon" },
        result: "21 °C",
      },
    ]);
  });

  test("results of several calls go each to its own", () => {
    const turns = turnsOf({
      system: [],
      output: [],
      input: [
        message("assistant", call("a"), call("b")),
        message("tool", response("b", "second"), response("a", "first")),
      ],
    });

    expect(turns).toHaveLength(1);
    expect(turns[0]!.parts.map((part) => part.type === "exchange" && part.result)).toEqual([
      "first",
      "second",
    ]);
  });

  test("a call that was not answered says so, a result without a call stays", () => {
    const turns = turnsOf({
      system: [],
      input: [message("tool", response("lost", "found"))],
      output: [message("assistant", call("c9"))],
    });

    expect(turns[0]!.parts[0]!.type).toBe("plain");
    expect(turns[1]!.parts[0]).toMatchObject({ type: "exchange", result: undefined });
  });

  test("a second answer under one id is not lost", () => {
    const turns = turnsOf({
      system: [],
      output: [],
      input: [
        message("assistant", call("c")),
        message("tool", response("c", "one")),
        message("tool", response("c", "two")),
      ],
    });

    expect(turns).toHaveLength(2);
    expect(turns[1]!.parts[0]).toMatchObject({ type: "plain" });
  });

  test("an empty message stays a message", () => {
    expect(turnsOf({ system: [], input: [message("user")], output: [] })).toHaveLength(1);
  });

  test("a part says what it holds, one of an unknown type all of it", () => {
    expect(saidBy({ type: "reasoning", content: "hm" })).toBe("hm");
    expect(saidBy({ type: "uri", uri: "file:a" })).toBe("file:a");
    expect(saidBy({ type: "odd", weight: 3 })).toEqual({ weight: 3 });
  });
});
