import { describe, expect, test } from "vitest";
import {
  embedded,
  lines,
  MEMBERS_SHOWN,
  toggled,
  type Json,
  type Opened,
} from "../../src/views/json/tree";

const closed: Opened = new Map();
const open = (...paths: string[]): Opened => new Map(paths.map((path) => [path, MEMBERS_SHOWN]));

describe("the lines of a JSON tree", () => {
  test("a closed container is one line that tells its keys", () => {
    const [line, ...rest] = lines({ b: 1, a: [1, 2] }, closed);

    expect(rest).toEqual([]);
    expect(line).toMatchObject({ kind: "object", text: "{b, a}", expandable: true, open: false });
  });

  test("only what is open is walked", () => {
    const value = {
      open: { in: 1 },
      get trap(): Json {
        throw new Error("walked");
      },
    };
    const members = { a: { deep: value as unknown as Json }, b: 1 };

    const shown = lines(members, open(""));

    expect(shown.map((line) => line.path)).toEqual(["", "/a", "/b"]);
  });

  test("a path escapes what a pointer has a meaning for", () => {
    const shown = lines({ "a/b~c": 1 }, open(""));

    expect(shown[1]!.path).toBe("/a~1b~0c");
  });

  test("a container of many shows a part, and more of it on request", () => {
    const value = Array.from({ length: 250 }, (_, index) => index);
    const first = lines(value, open(""));
    const more = first.at(-1)!;
    const second = lines(value, toggled(open(""), more));

    expect(more).toMatchObject({ kind: "more", text: "150 more", path: "" });
    expect(first).toHaveLength(1 + MEMBERS_SHOWN + 1);
    expect(second).toHaveLength(1 + 2 * MEMBERS_SHOWN + 1);
  });

  test("text that holds JSON opens like JSON, other text does not", () => {
    const [, inside, plain] = lines(['{"city":"Lisbon"}', "{not json"], open(""));
    const opened = lines(['{"city":"Lisbon"}'], open("", "/0"));

    expect(inside!.expandable).toBe(true);
    expect(plain!.expandable).toBe(false);
    expect(opened.at(-1)).toMatchObject({ label: "city", text: "Lisbon" });
  });

  test("an array says how many it has, an empty one cannot be opened", () => {
    const [, many, none] = lines([[1, 2, 3], []], open(""));

    expect(many!.text).toBe("[3]");
    expect(none).toMatchObject({ text: "[]", expandable: false });
  });

  test("what the daemon kept back is one line with its beginning", () => {
    const value = { $content: "/span/name", bytes: 9_000, preview: "Once" };
    const [line] = lines(value, closed);

    expect(line).toMatchObject({ kind: "withheld", text: "Once", expandable: false });
  });

  test("a value that nests deeper than the machine's stack is walked", () => {
    let value: Json = 1;
    const paths = new Map<string, number>();
    let path = "";
    for (let depth = 0; depth < 5_000; depth += 1) {
      value = [value];
      paths.set(path, MEMBERS_SHOWN);
      path += "/0";
    }

    expect(lines(value, paths)).toHaveLength(5_001);
  });

  test("toggling twice closes again", () => {
    const [line] = lines([1], closed);
    const once = toggled(closed, line!);
    const twice = toggled(once, lines([1], once)[0]!);

    expect(once.size).toBe(1);
    expect(twice.size).toBe(0);
  });

  test("a scalar in quotes is not taken for JSON", () => {
    expect(embedded('"text"')).toBeUndefined();
    expect(embedded(" [1]")).toEqual([1]);
  });
});
