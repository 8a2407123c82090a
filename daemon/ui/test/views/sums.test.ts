import { describe, expect, test } from "vitest";
import { momentsOf, phase, type Moments, type Run } from "../../src/views/playhead/moments";
import { sumsOf, type Telling } from "../../src/views/playhead/sums";

const ROWS = 60;

/** Returns a run of random spans, some of which never end, fail or repeat what others cost. */
function random(seed: number): Run & Telling {
  let state = seed;
  const next = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state % below;
  };
  const column = (value: (row: number) => number): number[] =>
    Array.from({ length: ROWS }, (_, row) => value(row));
  const [errors, repeats] = [column(() => next(4)), column(() => next(5))];
  return {
    count: ROWS,
    parent: column((row) => row - 1),
    depth: column((row) => row),
    start: column(() => next(1_000)),
    duration: column(() => next(400) - 40),
    order: column((row) => ROWS - row),
    failed: (row) => errors[row] === 0,
    counts: (row) => repeats[row] !== 0,
    tokensIn: column(() => next(100) - 1),
    tokensOut: column(() => next(50) - 1),
    cost: column(() => (next(3) === 0 ? NaN : next(8) / 8)),
  };
}

/** Returns what is told at a step by a walk over all rows. */
function walked(run: Telling, moments: Moments, step: number) {
  const sums = { begun: 0, running: 0, errors: 0, tokensIn: 0, tokensOut: 0, cost: NaN };
  for (let row = 0; row < run.count; row += 1) {
    const at = phase(moments, row, step);
    if (at === "ahead") continue;
    sums.begun += 1;
    if (at === "running") {
      sums.running += 1;
      continue;
    }
    if (run.failed(row)) sums.errors += 1;
    if (!run.counts(row)) continue;
    sums.tokensIn += Math.max(0, run.tokensIn[row]!);
    sums.tokensOut += Math.max(0, run.tokensOut[row]!);
    const usd = run.cost[row]!;
    if (!Number.isNaN(usd)) sums.cost = (Number.isNaN(sums.cost) ? 0 : sums.cost) + usd;
  }
  return sums;
}

describe("what had been told by a moment", () => {
  test.each(["clock", "log"] as const)("by the %s is what a walk over all rows adds up", (by) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const run = random(seed);
      const moments = momentsOf(run, by);
      const sums = sumsOf(run, moments);
      for (let step = 0; step <= moments.count; step += 1) {
        expect(sums(step)).toEqual(walked(run, moments, step));
      }
    }
  });
});
