import { describe, expect, it } from "vitest";
import css from "../src/styles/tokens.css?raw";

const colours = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g)].map(
    ([, name, light, dark]) => [name!, { light: light!, dark: dark! }] as const,
  ),
);

/** Relative luminance. Source: WCAG 2.2. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

const TEXT = 4.5;
const SHAPE = 3;
const grounds = ["ground", "paper", "raised", "hover", "selected", "well"];
const pairs: [string, string[], number][] = [
  ...["ink", "ink-2", "ink-3", "accent", "ok", "error", "warn", "open"].map(
    (name): [string, string[], number] => [name, grounds, TEXT],
  ),
  ["on-accent", ["accent-ground"], TEXT],
  ...["error", "warn", "open", "added", "dropped", "changed"].map(
    (name): [string, string[], number] => [name, [`${name}-ground`], TEXT],
  ),
  ...["added-ground", "dropped-ground", "changed-ground"].map(
    (name): [string, string[], number] => ["ink", [name], TEXT],
  ),
  // The sign of a status stands on its colour.
  ...["error", "warn"].map((name): [string, string[], number] => ["paper", [name], TEXT]),
  ["edge", ["ground", "paper", "raised", "well"], SHAPE],
  ["focus", ["ground", "paper", "raised"], SHAPE],
  ...[...colours.keys()].filter((name) => name.startsWith("kind-")).map(
    (name): [string, string[], number] => [name, ["paper", "ground", "hover", "selected"], SHAPE],
  ),
];

describe("the colours", () => {
  it("are all six-digit pairs of light and dark, so that all are tested", () => {
    expect(colours.size).toBe([...css.matchAll(/^ {2}--[\w-]+: light-dark\(/gm)].length);
    expect(colours.size).toBeGreaterThan(30);
  });

  for (const theme of ["light", "dark"] as const) {
    for (const [front, backs, least] of pairs) {
      for (const back of backs) {
        it(`${theme}: ${front} on ${back} has ${least}:1`, () => {
          const ratio = contrast(colours.get(front)![theme], colours.get(back)![theme]);
          expect(ratio).toBeGreaterThanOrEqual(least);
        });
      }
    }
  }
});
