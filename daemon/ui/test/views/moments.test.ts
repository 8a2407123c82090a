import { describe, expect, test } from "vitest";
import { momentsOf, phase, type Run } from "../../src/views/playhead/moments";
import { nextStep, previousStep, sceneAt } from "../../src/views/playhead/scene";
import { pauseMs } from "../../src/views/playhead/player";

/** Rows as `[parent, depth, start, duration]`; the log has them in the order of their ends. */
function run(rows: [number, number, number, number][], order?: number[]): Run {
  return {
    count: rows.length,
    parent: rows.map((row) => row[0]),
    depth: rows.map((row) => row[1]),
    start: rows.map((row) => row[2]),
    duration: rows.map((row) => row[3]),
    order: order ?? rows.map((_, row) => row),
  };
}

/** Moments as `+row` and `-row`. */
function told(of: Run, by: "clock" | "log" = "clock"): string[] {
  const { row, ends } = momentsOf(of, by);
  return [...row].map((one, index) => `${ends[index] ? "-" : "+"}${one}`);
}

const agent = run([
  [-1, 0, 0, 100],
  [0, 1, 10, 30],
  [0, 1, 40, 20],
  [0, 1, 60, -1],
]);

describe("the moments of a run", () => {
  test("each span begins and ends, one after the other where they touch", () => {
    expect(told(agent)).toEqual(["+0", "+1", "-1", "+2", "-2", "+3", "-0"]);
  });

  test("no child begins before its parent, whatever its node's clock says", () => {
    const skewed = run([
      [-1, 0, 1_000, 50],
      [0, 1, 0, 10],
      [1, 2, 5, 1],
    ]);
    const order = told(skewed);

    expect(order).toEqual(["+0", "+1", "+2", "-2", "-1", "-0"]);
  });

  test("spans without length nest at one instant", () => {
    expect(
      told(
        run([
          [-1, 0, 5, 0],
          [0, 1, 5, 0],
          [0, 1, 5, 0],
        ]),
      ),
    ).toEqual(["+0", "+1", "-1", "+2", "-2", "-0"]);
  });

  test("by the log a span is one moment, in the order of the log", () => {
    const of = run(
      [
        [-1, 0, 0, 100],
        [0, 1, 10, 30],
        [0, 1, 50, 10],
      ],
      [2, 0, 1],
    );

    expect(told(of, "log")).toEqual(["-1", "-2", "-0"]);
    expect(phase(momentsOf(of, "log"), 0, 2)).toBe("ahead");
    expect(phase(momentsOf(of, "log"), 1, 1)).toBe("over");
  });

  test("a row is ahead, then running, then over; an open one stays running", () => {
    const moments = momentsOf(agent, "clock");
    const ofRow = (row: number) =>
      Array.from({ length: moments.count + 1 }, (_, step) => phase(moments, row, step)[0]).join("");

    expect(ofRow(1)).toBe("aarooooo");
    expect(ofRow(3)).toBe("aaaaaarr");
  });
});

describe("the scene at a step", () => {
  const moments = momentsOf(
    run([
      [-1, 0, 0, 100],
      [0, 1, 10, 10],
      [0, 1, 30, 10],
      [0, 1, 50, 10],
    ]),
    "clock",
  );
  const roles = {
    isCall: (row: number) => row === 1 || row === 3,
    isTool: (row: number) => row === 2,
    hasState: (row: number) => row === 2,
  };

  test("before the first call there is none", () => {
    expect(sceneAt(moments, roles, 1)).toEqual({
      call: -1,
      answered: false,
      tools: [],
      states: [],
    });
  });

  test("a call is there from its beginning, its answer from its end", () => {
    expect(sceneAt(moments, roles, 2)).toMatchObject({ call: 1, answered: false });
    expect(sceneAt(moments, roles, 3)).toMatchObject({ call: 1, answered: true });
  });

  test("tools that began since stand behind it, until the next call", () => {
    expect(sceneAt(moments, roles, 4).tools).toEqual([2]);
    expect(sceneAt(moments, roles, 6)).toMatchObject({ call: 3, tools: [] });
  });

  test("a state is the one before until the span ends", () => {
    expect(sceneAt(moments, roles, 4).states).toEqual([{ row: 2, side: "before" }]);
    expect(sceneAt(moments, roles, 8).states).toEqual([{ row: 2, side: "after" }]);
  });

  test("one can jump from a telling moment to the next and back", () => {
    const wanted = (row: number) => roles.isCall(row) || roles.isTool(row);
    const forward = [0, 2, 3, 4, 5, 6, 7].map((step) => nextStep(moments, step, wanted));

    expect(forward).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(previousStep(moments, 8, wanted)).toBe(7);
    expect(previousStep(moments, 1, wanted)).toBe(0);
  });
});

test("playing waits no longer than a second or so, and never less than one can see", () => {
  expect(pauseMs(0, 60_000_000, 1)).toBe(1_200);
  expect(pauseMs(0, 10, 1)).toBe(60);
  expect(pauseMs(0, 400_000, 4)).toBe(100);
});
