/** Where a trace that arrives goes in the list. Pure. */

import type { TraceRow } from "../shapes";

export interface Listing {
  /** What is shown. */
  readonly rows: readonly TraceRow[];
  /** What has arrived and waits until it may be shown, newest first. */
  readonly fresh: readonly TraceRow[];
}

/** True when `a` stands before `b`: later starts first, then larger ids. */
function before(a: TraceRow, b: TraceRow): boolean {
  if (a.start_ns.length !== b.start_ns.length) return a.start_ns.length > b.start_ns.length;
  if (a.start_ns !== b.start_ns) return a.start_ns > b.start_ns;
  return a.trace_id > b.trace_id;
}

function insert(rows: readonly TraceRow[], row: TraceRow): TraceRow[] {
  const at = rows.findIndex((one) => before(row, one));
  return at < 0 ? [...rows, row] : [...rows.slice(0, at), row, ...rows.slice(at)];
}

function replace(rows: readonly TraceRow[], row: TraceRow): TraceRow[] | null {
  const at = rows.findIndex((one) => one.trace_id === row.trace_id);
  return at < 0 ? null : rows.with(at, row);
}

/**
 * Takes in a row that is new or has changed. One that is shown changes where it stands; a new one
 * goes to its place, or waits.
 *
 * @param show Whether a new row may be shown at once.
 */
export function arrive(listing: Listing, row: TraceRow, show: boolean): Listing {
  const rows = replace(listing.rows, row);
  if (rows) return { rows, fresh: listing.fresh };
  if (show) return { rows: insert(listing.rows, row), fresh: listing.fresh };
  const fresh = replace(listing.fresh, row);
  if (fresh) return { rows: listing.rows, fresh };
  return { rows: listing.rows, fresh: insert(listing.fresh, row) };
}

/** Puts everything that waits at its place by start. */
export function merge(listing: Listing): Listing {
  return { rows: listing.fresh.reduce<readonly TraceRow[]>(insert, listing.rows), fresh: [] };
}
