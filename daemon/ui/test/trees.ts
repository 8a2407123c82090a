/** Trees for tests. */

import { subtreeEnds } from "../src/state/skeleton";
import type { Tree } from "../src/views/waterfall/rows";

/** Returns a tree from the depth of each row in pre-order; `failed` names rows with an error. */
export function tree(depths: readonly number[], failed: readonly number[] = []): Tree {
  const depth = Int32Array.from(depths);
  const above: number[] = [];
  const parent = Int32Array.from(depths, (deep, row) => {
    above[deep] = row;
    return deep === 0 ? -1 : above[deep - 1]!;
  });
  const status = new Uint8Array(depths.length);
  for (const row of failed) status[row] = 2;
  return { count: depths.length, depth, parent, next: subtreeEnds(depth), status };
}
