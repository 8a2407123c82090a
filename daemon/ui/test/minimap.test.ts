import { afterEach, expect, it } from "vitest";
import { route } from "../src/state/route";
import { Skeleton } from "../src/state/skeleton";
import { skeletonLoad } from "../src/state/trace";
import { density } from "../src/views/waterfall/minimap_paint";

/** Returns a trace of rows as `[start, duration]`, each below the first. */
function trace(rows: readonly (readonly [number, number])[]): Skeleton {
  const zeros = rows.map(() => 0);
  const names = [
    "name", "service", "ai_kind", "kind", "agent", "process", "model", "tool", "node", "status",
    "state", "tokens_in", "tokens_out", "cost_usd", "ttft_us", "events", "links", "flags",
  ];
  const columns = {
    ...Object.fromEntries(names.map((name) => [name, zeros])),
    span_id: rows.map((_, row) => String(row)),
    parent: rows.map((_, row) => (row === 0 ? -1 : 0)),
    depth: rows.map((_, row) => (row === 0 ? 0 : 1)),
    start_us: rows.map(([start]) => start),
    duration_us: rows.map(([, duration]) => duration),
    order: rows.map((_, row) => row),
  };
  return new Skeleton({
    trace_id: "t", position: null, count: rows.length, start_ns: "0", end_ns: "0",
    strings: [""], columns, edges: [], gaps: [],
  } as unknown as ConstructorParameters<typeof Skeleton>[0]);
}

const run = trace([[0, 100], [10, 20], [50, 40]]);

/** Returns how many rows the map has under way at each tenth of the time, at a step. */
function drawn(step: number | null): number[] {
  skeletonLoad.value = { state: "ready", value: run };
  route.value = { traceId: "t", params: new Map(step === null ? [] : [["step", String(step)]]) };
  return [...density(run, 10, 1, 100, 0)].slice(0, 10);
}

afterEach(() => {
  skeletonLoad.value = { state: "idle" };
});

it("the map of a large trace shows all of it while the playhead is off", () => {
  expect(drawn(null)).toEqual([1, 2, 2, 1, 1, 2, 2, 2, 2, 1]);
});

it("and what had begun, as far as it had come, at the playhead's moment", () => {
  expect(drawn(0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  // The first two have begun, at 10.
  expect(drawn(2)).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  // The second one has ended, at 30.
  expect(drawn(3)).toEqual([1, 2, 2, 0, 0, 0, 0, 0, 0, 0]);
});
