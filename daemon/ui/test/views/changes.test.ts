import { describe, expect, test } from "vitest";
import type { Change, ChangeOp } from "../../src/shapes";
import { grouped, lengths, messageIn, pathBelow, tally } from "../../src/views/state/changes";

const change = (op: ChangeOp, ...path: (string | number)[]): Change => ({
  op,
  path,
  label: path.join("."),
  before: null,
  after: null,
  source: null,
  hunks: [],
});

describe("changes", () => {
  test("are counted by sort", () => {
    const counts = tally([change("added", "a"), change("added", "b"), change("moved", "c", 1)]);

    expect(counts).toEqual({ added: 2, dropped: 0, changed: 0, truncated: 0, moved: 1 });
  });

  test("are grouped by what they are in, in the order in which they came", () => {
    const groups = grouped([
      change("added", "memory", "x"),
      change("added", "plan"),
      change("dropped", "memory"),
    ]);

    expect(groups.map((group) => [group.name, group.changes.length])).toEqual([
      ["memory", 2],
      ["plan", 1],
    ]);
  });

  test("a change of the whole has a group without a name", () => {
    expect(grouped([change("changed")])[0]!.name).toBe("");
  });

  test("a path reads as programs write it", () => {
    expect(pathBelow(["memory", "items", 3, "first name", "x"])).toBe('items[3]["first name"].x');
    expect(pathBelow(["memory"])).toBe("");
  });

  test("of a cut text both lengths are told", () => {
    expect(lengths({ ...change("truncated"), before: "x".repeat(1_200), after: "x" })).toBe(
      "1,200 → 1 characters",
    );
    expect(lengths(change("changed"))).toBe("");
  });

  test("a message is known by its role and parts", () => {
    expect(messageIn({ role: "user", parts: [{ type: "text" }, 3] })).toEqual({
      role: "user",
      parts: [{ type: "text" }],
    });
    expect(messageIn({ role: "user" })).toBeNull();
    expect(messageIn(["user"])).toBeNull();
  });
});
