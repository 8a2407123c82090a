import { describe, expect, it } from "vitest";
import { arrive, merge, type Listing } from "../src/list/arrivals";
import type { TraceRow } from "../src/shapes";

const trace = (id: string, start: number, spans = 1): TraceRow =>
  ({ trace_id: id, start_ns: String(start), span_count: spans }) as TraceRow;

const ids = (rows: readonly TraceRow[]): string => rows.map((row) => row.trace_id).join("");

const three: Listing = { rows: [trace("c", 30), trace("b", 20), trace("a", 10)], fresh: [] };

describe("a trace that arrives", () => {
  it("goes to its place by start", () => {
    expect(ids(arrive(three, trace("d", 40), true).rows)).toBe("dcba");
    expect(ids(arrive(three, trace("d", 25), true).rows)).toBe("cdba");
    expect(ids(arrive(three, trace("d", 5), true).rows)).toBe("cbad");
    expect(ids(arrive(three, trace("d", 100), true).rows)).toBe("dcba");
  });

  it("changes where it stands when it is shown already", () => {
    const after = arrive(three, trace("b", 20, 7), false);
    expect(ids(after.rows)).toBe("cba");
    expect(after.rows[1]!.span_count).toBe(7);
    expect(after.fresh).toEqual([]);
  });

  it("waits, once, while rows are held", () => {
    let listing = arrive(three, trace("d", 40), false);
    listing = arrive(listing, trace("e", 50), false);
    listing = arrive(listing, trace("d", 40, 9), false);
    expect(ids(listing.rows)).toBe("cba");
    expect(ids(listing.fresh)).toBe("ed");
    expect(listing.fresh[1]!.span_count).toBe(9);
  });

  it("goes to its place when rows are held no longer", () => {
    const waiting = { rows: three.rows, fresh: [trace("e", 50), trace("d", 15)] };
    expect(merge(waiting).fresh).toEqual([]);
    expect(ids(merge(waiting).rows)).toBe("ecbda");
  });
});
