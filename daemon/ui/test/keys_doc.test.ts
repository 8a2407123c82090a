import { describe, expect, test } from "vitest";
import docs from "../../../docs/ui.md?raw";
import registry from "../src/views/registry.ts?raw";

const SOURCES: Readonly<Record<string, string>> = import.meta.glob("../src/**/*.tsx", {
  query: "?raw",
  import: "default",
  eager: true,
});

interface Row {
  readonly place: string;
  readonly keys: string;
  readonly does: string;
}

/** Returns every key that the source registers, by the title of its group. */
function registered(): Row[] {
  const rows: Row[] = [];
  for (const text of Object.values(SOURCES)) {
    const title = /useKeys\("([^"]+)"/.exec(text)?.[1];
    if (title === undefined) continue;
    for (const [, keys, does] of text.matchAll(/keys: \[("[^\]]+)\],\s*does: "([^"]+)"/g)) {
      rows.push({ place: title, keys: keys!.replaceAll('"', "`").replaceAll(",", ""), does: does! });
    }
  }
  for (const [, does, key] of registry.matchAll(/title: "([^"]+)",\s*key: "([^"]+)"/g)) {
    rows.push({ place: "Trace", keys: `\`${key}\``, does: does! });
  }
  return rows;
}

/** Returns the rows of the table under "Keys". */
function written(): Row[] {
  const section = docs.split("\n## Keys\n")[1] ?? "";
  return section
    .split("\n## ")[0]!
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| where"))
    .map((line) => {
      const [place, keys, does] = line.split("|").slice(1).map((cell) => cell.trim());
      return { place: place!, keys: keys!, does: does! };
    });
}

const lines = (rows: Row[]) => rows.map(({ place, keys, does }) => `| ${place} | ${keys} | ${does} |`);

describe("the table of keys in docs/ui.md", () => {
  test("has each key that is registered, and no other", () => {
    expect(lines(registered()).length).toBeGreaterThan(40);
    expect(lines(written()).sort()).toEqual(lines(registered()).sort());
  });
});
