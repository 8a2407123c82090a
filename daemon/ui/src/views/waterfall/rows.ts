/** Which rows of a trace stand where. Pure, and in one pass over typed arrays each. */

import { STATUS_ERROR, type Skeleton } from "../../state/skeleton";

/** What of a trace these functions read. */
export type Tree = Pick<Skeleton, "count" | "parent" | "depth" | "next" | "status">;

export interface Visible {
  /** Row at each place, from the top. */
  readonly rows: Int32Array;
  /** Place of each row; -1 where it is folded away. */
  readonly placeOf: Int32Array;
}

/** Returns the rows in the order of the document. */
export function plainOrder(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, row) => row);
}

/** Returns for each row 1 where it or something below it has failed. */
export function failedSubtrees({ count, parent, status }: Tree): Uint8Array {
  const failed = new Uint8Array(count);
  for (let row = count - 1; row >= 0; row -= 1) {
    if (status[row] === STATUS_ERROR) failed[row] = 1;
    if (failed[row] && parent[row]! >= 0) failed[parent[row]!] = 1;
  }
  return failed;
}

/** Returns a pre-order in which, below each parent, what failed comes before what did not. */
export function errorsFirstOrder(tree: Tree): Int32Array {
  const { count, parent, next } = tree;
  const failed = failedSubtrees(tree);
  // Slot `count` stands for the parent of the roots.
  const failedRows = new Int32Array(count + 1);
  for (let row = 0; row < count; row += 1) {
    if (failed[row]) failedRows[slot(parent[row]!, count)]! += next[row]! - row;
  }
  const failedAt = new Int32Array(count + 1);
  const restAt = new Int32Array(count + 1);
  restAt[count] = failedRows[count]!;
  const order = new Int32Array(count);
  for (let row = 0; row < count; row += 1) {
    const at = failed[row] ? failedAt : restAt;
    const above = slot(parent[row]!, count);
    const place = at[above]!;
    at[above] = place + next[row]! - row;
    order[place] = row;
    failedAt[row] = place + 1;
    restAt[row] = place + 1 + failedRows[row]!;
  }
  return order;
}

const slot = (parent: number, count: number): number => (parent < 0 ? count : parent);

/**
 * Returns what is left when the rows below folded ones are taken away.
 *
 * @param order A pre-order of all rows.
 */
export function visibleRows(
  tree: Tree, order: Int32Array, folded: (row: number) => boolean,
): Visible {
  const rows = new Int32Array(tree.count);
  const placeOf = new Int32Array(tree.count).fill(-1);
  let places = 0;
  for (let at = 0; at < tree.count; ) {
    const row = order[at]!;
    rows[places] = row;
    placeOf[row] = places;
    places += 1;
    const size = tree.next[row]! - row;
    at += size > 1 && folded(row) ? size : 1;
  }
  return { rows: rows.subarray(0, places), placeOf };
}

/** Returns for each row 1 where one of its texts contains `text`, whatever the case. */
export function matchingRows(trace: Skeleton, text: string): Uint8Array {
  const wanted = text.toLowerCase();
  const found = Uint8Array.from(trace.strings, (one) => (one.toLowerCase().includes(wanted) ? 1 : 0));
  const columns = [trace.name, trace.service, trace.agent, trace.model, trace.tool, trace.aiKind];
  const matches = new Uint8Array(trace.count);
  for (let row = 0; row < trace.count; row += 1) {
    for (const column of columns) {
      if (found[column[row]!]) {
        matches[row] = 1;
        break;
      }
    }
  }
  return matches;
}

/**
 * Returns the next row, by place and round the end, for which `wanted` is true; -1 for none.
 *
 * @param from Row to begin behind; -1 begins before the first or behind the last.
 * @param by 1 for downwards, -1 for upwards.
 */
export function nextRow(
  order: Int32Array, from: number, by: 1 | -1, wanted: (row: number) => boolean,
): number {
  const { length } = order;
  let at = from < 0 ? (by > 0 ? -1 : length) : order.indexOf(from);
  for (let tried = 0; tried < length; tried += 1) {
    at = (at + by + length) % length;
    if (wanted(order[at]!)) return order[at]!;
  }
  return -1;
}
