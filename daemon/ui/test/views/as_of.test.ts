import { describe, expect, test } from "vitest";
import type { Ai, SpanDetail } from "../../src/shapes";
import { asOf, isBy, isGiven } from "../../src/views/playhead/as_of";

const ai: Ai = {
  kind: "llm", dialect: "gen_ai", provider: "p", model_requested: "asked", model: "answered",
  tokens: { input: 9, output: 8, cached: 7, cache_write: 6, reasoning: 5, inferred: true },
  cost_usd: 4, agent: "a", agent_id: null, workflow: null, tool: "t", tool_call_id: "c",
  conversation_id: "v", user_id: "u", prompt_name: null, prompt_version: null,
  correlation_id: null, request_id: "r", finish_reasons: ["stop"], ttft_ms: 30, stream: true,
  error_type: "E", aggregate: false,
};
const said = (role: string) => ({ role, name: null, finish_reason: null, parts: [] });
const detail: SpanDetail = {
  span: {
    span_id: "1", state: "ended", start_ns: "1000000000", end_ns: "2000000000", status: "error",
    status_message: "late", attributes: { "gen_ai.request.model": "asked", report: "late" },
    events: [
      { name: "early", time_ns: "1010000000" },
      { name: "late", time_ns: "1500000000" },
      { name: "no time", time_ns: "0" },
    ],
  },
  ai,
  messages: { system: [said("system")], input: [said("user")], output: [said("assistant")] },
  tool: { name: "t", call_id: "c", arguments: { a: 1 }, result: "late" },
  states: [
    { index: 0, event_time_ns: "1", name: "m", key: "before", attribute: "x", value: 1 },
    { index: 1, event_time_ns: "2", name: "m", key: "after", attribute: "x", value: 2 },
  ] as unknown as SpanDetail["states"],
  logs: [{ body: "early", time_ns: "1020000000" }, { body: "late", time_ns: "1600000000" }],
  edges: [], stamp: null, record: null,
};

describe("a span that runs", () => {
  const then = asOf(detail, 1_020_000_000n);

  test("has no end, no status, no answer and no result", () => {
    expect(then.span["state"]).toBe("running");
    expect(Object.keys(then.span).sort()).toEqual([
      "attributes", "events", "span_id", "start_ns", "state",
    ]);
    expect(then.messages.output).toEqual([]);
    expect(then.messages.input).toHaveLength(1);
    expect(then.tool).toEqual({ name: "t", call_id: "c", arguments: { a: 1 }, result: null });
    expect(then.states.map((state) => state.key)).toEqual(["before"]);
  });

  test("has the events and logs up to the moment, and none without a time", () => {
    expect(JSON.stringify(then.span["events"])).toBe('[{"name":"early","time_ns":"1010000000"}]');
    expect(then.logs.map((log) => log["body"])).toEqual(["early"]);
    expect(isBy(undefined, 1n)).toBe(false);
  });

  test("says nothing of tokens, cost, finish and the model that answered", () => {
    expect(then.ai).toMatchObject({
      model: "asked", cost_usd: null, finish_reasons: [], error_type: null, ttft_ms: null,
      request_id: null, agent: "a",
    });
    expect(Object.values(then.ai!.tokens).filter(Boolean)).toEqual([]);
    expect(asOf(detail, 1_030_000_000n).ai!.ttft_ms).toBe(30);
  });

  test("keeps the attributes that say what it was given", () => {
    expect(then.span["attributes"]).toEqual({ "gen_ai.request.model": "asked" });
    expect(isGiven("gen_ai.input.messages")).toBe(true);
    expect(isGiven("gen_ai.output.messages")).toBe(false);
    expect(isGiven("gen_ai.usage.output_tokens")).toBe(false);
    expect(isGiven("gen_ai.tool.call.result")).toBe(false);
  });

  test("is not changed where it is kept", () => {
    expect(detail.span["status"]).toBe("error");
    expect(detail.ai!.cost_usd).toBe(4);
  });
});
