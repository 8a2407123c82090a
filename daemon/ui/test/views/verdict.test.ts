import { describe, expect, test } from "vitest";
import {
  answer,
  bars,
  eventInWords,
  hintInWords,
  strengthInWords,
  type Comparison,
  type Names,
} from "../../src/views/flow/verdict";

const step = (rule: string) => ({ earlier: "", later: "", rule, strength: "sdk-attested" });
const found = (part: Partial<Comparison>): Comparison => ({
  a: "aa:1",
  b: "bb:2",
  verdict: "unordered",
  about: "activity",
  strength: "none",
  path: [],
  opposing: [],
  not_before: null,
  not_after: null,
  assumptions: [],
  refutations: [],
  hint: {},
  ...part,
});

describe("a verdict in words", () => {
  test.each([
    [
      { verdict: "before", about: "commit", strength: "cryptographic", path: [step("token")] },
      "A was fixed before B was, whatever the clocks said.",
    ],
    [
      { verdict: "after", about: "commit", strength: "node-attested", path: [step("log")] },
      "B was made durable before A.",
    ],
    [
      { verdict: "before", about: "activity", strength: "sdk-attested", path: [step("span")] },
      "A was over before B began.",
    ],
    [
      { verdict: "after", about: "activity", strength: "app-asserted", path: [step("parent")] },
      "B began before A began.",
    ],
    [
      { verdict: "same", about: "commit" },
      "One record holds A and B: they became durable together.",
    ],
    [{}, "Nothing in the record orders A and B. That does not make them concurrent."],
  ])("%j", (part, sentence) => {
    expect(answer(found(part))).toBe(sentence);
  });

  test("a contradiction is said to be one", () => {
    expect(answer(found({ verdict: "contradictory" }))).toContain("contradicts itself");
  });

  test("a stronger answer fills more bars, none fills none", () => {
    expect(["cryptographic", "sdk-attested", "none", "new"].map(bars)).toEqual([5, 3, 0, 0]);
    expect(strengthInWords("new")).toContain("new");
  });

  const names: Names = {
    span: (id) => (id === "0000000000000001" ? "A" : null),
    item: (position) => (position === "00aa00aa00aa00aa:6" ? "B" : null),
  };

  test.each([
    [`start of span ${"0".repeat(31)}1/0000000000000001`, "A began"],
    [`end of span ${"0".repeat(31)}1/0000000000000009`, "span 0000000000000009 ended"],
    ["content of 00aa00aa00aa00aa:6", "the record of B was fixed"],
    ["commit of 00aa00aa00aa00aa:5-7", "the record of B was durable"],
    ["commit of 00aa00aa00aa00aa:9", "record 00aa…:9 was durable"],
    ["something else", "something else"],
  ])("the event %s", (event, words) => {
    expect(eventInWords(event, names)).toBe(words);
  });

  test("a hint says which clock reads what, and that is all", () => {
    expect(hintInWords({ hlc: "<", clock: "overlap", activity: "before, sdk-attested" })).toEqual([
      "The hybrid clock reads A first.",
      "The nodes' clock cannot tell them apart.",
      "Asked about activity: before, sdk-attested.",
    ]);
  });
});
