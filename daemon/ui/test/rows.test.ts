import { describe, expect, it } from "vitest";
import { subtreeEnds } from "../src/state/skeleton";
import { errorsFirstOrder, nextRow, plainOrder, visibleRows } from "../src/views/waterfall/rows";
import { tree } from "./trees";

//          0  1  2  3  4  5  6
const DEPTHS = [0, 1, 2, 1, 2, 2, 0];

it("a subtree ends at the next row that is not below it", () => {
  expect([...subtreeEnds(Int32Array.from(DEPTHS))]).toEqual([6, 3, 3, 6, 5, 6, 7]);
});

describe("folding", () => {
  const all = tree(DEPTHS);

  it("takes away what is below, and knows where each row stands", () => {
    const { rows, placeOf } = visibleRows(all, plainOrder(7), (row) => row === 1);
    expect([...rows]).toEqual([0, 1, 3, 4, 5, 6]);
    expect([...placeOf]).toEqual([0, 1, -1, 2, 3, 4, 5]);
  });

  it("inside what is folded changes nothing", () => {
    const { rows } = visibleRows(all, plainOrder(7), (row) => row === 0 || row === 3);
    expect([...rows]).toEqual([0, 6]);
  });

  it("does nothing to a row without children", () => {
    expect(visibleRows(all, plainOrder(7), (row) => row === 2).rows.length).toBe(7);
  });
});

describe("errors first", () => {
  it("puts what failed before its siblings, and keeps every child below its parent", () => {
    expect([...errorsFirstOrder(tree(DEPTHS, [5]))]).toEqual([0, 3, 5, 4, 1, 2, 6]);
    expect([...errorsFirstOrder(tree(DEPTHS, [6]))]).toEqual([6, 0, 1, 2, 3, 4, 5]);
  });

  it("changes nothing where nothing or all failed", () => {
    expect([...errorsFirstOrder(tree(DEPTHS))]).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([...errorsFirstOrder(tree(DEPTHS, [0, 1, 2, 3, 4, 5, 6]))]).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("keeps each pre-order a pre-order on random trees", () => {
    let seed = 7;
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 50; round += 1) {
      const depths = [0];
      for (let row = 1; row < 60; row += 1) depths.push(random(depths[row - 1]! + 2));
      const one = tree(depths, depths.map((_, row) => row).filter(() => random(9) === 0));
      const order = errorsFirstOrder(one);
      expect([...order].sort((a, b) => a - b)).toEqual(depths.map((_, row) => row));
      const ends = subtreeEnds(Int32Array.from(order, (row) => one.depth[row]!));
      order.forEach((row, place) => {
        const below = [...order.subarray(place, ends[place]!)].sort((a, b) => a - b);
        expect(below).toEqual(Array.from({ length: one.next[row]! - row }, (_, at) => row + at));
      });
    }
  });
});

it("the next row that is wanted is found round the end, and not where there is none", () => {
  const order = Int32Array.from([2, 0, 1]);
  expect(nextRow(order, -1, 1, () => true)).toBe(2);
  expect(nextRow(order, -1, -1, () => true)).toBe(1);
  expect(nextRow(order, 1, 1, (row) => row !== 2)).toBe(0);
  expect(nextRow(order, 0, -1, (row) => row === 1)).toBe(1);
  expect(nextRow(order, 0, 1, () => false)).toBe(-1);
});
