import { describe, expect, test } from "vitest";
import { curve, fitted, geometryOf, placeOf, shortId, widthFor } from "../../src/views/flow/geometry";
import { layOut, neighbours, windowOf } from "../../src/views/flow/layout";

const names = ["planner", "worker", "planner", "tool"];
const token = { from: 1, to: 2, kind: "token", label: "" };
const flow = layOut([0, 1, 3, 2], [-1, 0, 0, 1], (row) => names[row]!, [token]);

describe("the layout of the flow", () => {
  test("lanes stand in the order of their first span and count theirs", () => {
    expect(flow.lanes).toEqual([
      { name: "planner", count: 2 },
      { name: "worker", count: 1 },
      { name: "tool", count: 1 },
    ]);
    expect([...flow.lane]).toEqual([0, 1, 0, 2]);
  });

  test("each span has a column of its own, in the given order", () => {
    expect([...flow.column]).toEqual([0, 1, 3, 2]);
    expect([...flow.rowAt]).toEqual([0, 1, 3, 2]);
  });

  test("parents are edges, beside those that are recorded", () => {
    expect(flow.edges.map(({ from, to, kind }) => `${from} ${kind} ${to}`)).toEqual([
      "0 parent 1",
      "0 parent 2",
      "1 parent 3",
      "1 token 2",
    ]);
  });

  test("an edge that does not join two rows is left out", () => {
    const odd = [
      { ...token, to: 9 },
      { ...token, from: -1 },
      { ...token, to: 1 },
    ];

    expect(layOut([0, 1], [-1, -1], () => "one", odd).edges).toEqual([]);
  });

  test("a window holds its columns and each edge that touches one, once", () => {
    const { rows, edges } = windowOf(flow, 2, 4);

    expect(rows).toEqual([3, 2]);
    expect(edges.map((edge) => edge.kind)).toEqual(["parent", "parent", "token"]);
  });

  test("a window beyond the end is empty", () => {
    expect(windowOf(flow, 10, 20)).toEqual({ rows: [], edges: [] });
  });

  test("the neighbours of a span are what it is joined with", () => {
    expect(neighbours(flow, 1).map((edge) => edge.kind)).toEqual(["parent", "parent", "token"]);
  });

  test("100,000 spans are laid out, and a window of them costs its columns alone", () => {
    const count = 100_000;
    const rows = Int32Array.from({ length: count }, (_, row) => row);
    const parent = rows.map((row) => (row === 0 ? -1 : (row - 1) >> 2));
    const large = layOut(rows, parent, (row) => `lane ${row % 7}`, []);
    const seen = windowOf(large, 50_000, 50_040);

    expect(large.lanes).toHaveLength(7);
    expect(seen.rows).toHaveLength(40);
    expect(seen.edges.length).toBeLessThan(5 * 40 + 1);
  });
});

test("of a root with 100,000 children the edges that leave the window are a few", () => {
  const count = 100_000;
  const rows = Int32Array.from({ length: count }, (_, row) => row);
  const parent = rows.map((row) => (row === 0 ? -1 : 0));
  const large = layOut(rows, parent, () => "one", []);

  expect(windowOf(large, 0, 40).edges).toHaveLength(39 + 3);
  expect(windowOf(large, 500, 540).edges).toHaveLength(40);
});

describe("the geometry of the flow", () => {
  test("columns never come to more pixels than a browser lays out", () => {
    const count = 5_000_000;

    expect(geometryOf(140, count).column * count).toBeLessThanOrEqual(30_000_000);
  });

  test("a trace that fits fills its room, a larger one has names while that makes sense", () => {
    expect(widthFor(8, 1_000)).toBe(125);
    expect(widthFor(2, 1_000)).toBe(180);
    expect(widthFor(100, 1_000)).toBe(132);
    expect(widthFor(10_000, 1_000)).toBe(24);
  });

  test("an edge forward leaves at the right and arrives at the left", () => {
    const geometry = geometryOf(140, 3);
    const from = placeOf(geometry, 0, 0);
    const to = placeOf(geometry, 1, 1);
    const path = curve(geometry, from, to);

    expect(path.startsWith(`M${from.x + geometry.box} ${from.y}`)).toBe(true);
    expect(path.endsWith(`${to.x} ${to.y}`)).toBe(true);
  });

  test("an edge back bends below both boxes", () => {
    const geometry = geometryOf(140, 3);
    const from = placeOf(geometry, 2, 0);
    const to = placeOf(geometry, 0, 1);
    const ys = [...curve(geometry, from, to).matchAll(/[\d.]+ ([\d.]+)/g)].map((one) =>
      Number(one[1]),
    );

    expect(Math.max(...ys)).toBeGreaterThan(to.y + geometry.height / 2);
  });

  test("a name is cut to its box", () => {
    expect(fitted("chat", 100)).toBe("chat");
    expect(fitted("a very long name", 60)).toBe("a very lo…");
  });

  test("of an id that nobody reads whole the beginning is enough", () => {
    expect(shortId("428846ed-a790-4065-91b5-c2373a9b127c")).toBe("428846ed…");
    expect(shortId("host/26a6214480e69a689c4864c12ae8e585")).toBe("host/26a62144…");
    expect(shortId("vm/18217")).toBe("vm/18217");
  });
});
