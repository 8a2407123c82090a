import { describe, expect, it } from "vitest";
import { complete, fieldsFor, quoted, said, valuesFor, withRange, wordAt } from "../src/list/words";

const FIELDS = [
  { name: "kind", help: "" }, { name: "tokens.in", help: "" }, { name: "attr", help: "" },
];

/** The word at `|`. */
const at = (marked: string) => wordAt(marked.replace("|", ""), marked.indexOf("|"));

describe("the word that is typed", () => {
  it.each([
    ["ki|", { field: null, prefix: "ki", not: "" }],
    ["kind:l|", { field: "kind", prefix: "l", before: "" }],
    ["kind:llm,to|", { field: "kind", prefix: "to", before: "llm," }],
    ["-kind:|", { field: "kind", prefix: "", not: "-" }],
    ["kind:llm model:gp|t-4 x", { field: "model", prefix: "gp" }],
    ['tool:"web se|', { field: "tool", prefix: "web se" }],
    ["kind:llm |", { field: null, prefix: "" }],
  ])("%s", (marked, word) => {
    expect(at(marked)).toMatchObject(word);
  });
});

describe("a completion", () => {
  it("writes a field with its colon, and offers those that begin first", () => {
    const offered = fieldsFor(at("k|"), FIELDS);
    expect(offered.map((one) => one.text)).toEqual(["kind:", "tokens.in:"]);
    expect(fieldsFor(at("-at|"), FIELDS).map((one) => one.text)).toEqual(["-attr."]);
  });

  it("goes to the place of the word, with the caret behind it", () => {
    const word = at("kind:l| since:1h");
    const [chosen] = valuesFor(word, [{ value: "llm", count: 3 }]);
    expect(complete("kind:l since:1h", word, chosen!)).toEqual(["kind:llm since:1h", 9]);
  });

  it("keeps the values before a comma", () => {
    const [chosen] = valuesFor(at("kind:llm,t|"), [{ value: "tool", count: 0 }]);
    expect(chosen!.text).toBe("kind:llm,tool ");
  });

  it.each([
    ["gpt-4.1", "gpt-4.1"], ["web search", '"web search"'], ['a"b', '"a\\"b"'],
    ["x:y", "x:y"], ["-x", '"-x"'], ["a,b", '"a,b"'], ["gpt*", '"gpt*"'], ["", '""'],
  ])("writes %s as %s", (value, text) => {
    expect(quoted(value)).toBe(text);
  });
});

it("a range of time takes the place of another", () => {
  expect(withRange("kind:llm since:1h until:now", "A", "B")).toBe("kind:llm since:A until:B");
  expect(withRange("", "A", "B")).toBe("since:A until:B");
});

it.each([
  [1, false, 1, "1 trace"], [50, false, 60, "50 traces"], [50, true, 1_234, "50 of 1,234 traces"],
  [50, true, null, "50 traces and more"], [60, true, 50, "60 traces and more"],
])("of %s shown, others %s, %s counted, it says %s", (shown, more, counted, text) => {
  expect(said(shown, more, counted)).toBe(text);
});
