/** What of a run had been told by each moment: added up once, so that a step costs no walk. */

import type { Moments } from "./moments";

/** What the rows of a run tell. */
export interface Telling {
  readonly count: number;
  /** True where a row failed. */
  failed(row: number): boolean;
  /** False where tokens and cost repeat those of other rows. */
  counts(row: number): boolean;
  /** -1 where unknown. */
  readonly tokensIn: ArrayLike<number>;
  readonly tokensOut: ArrayLike<number>;
  /** US dollars; NaN where none was reported. */
  readonly cost: ArrayLike<number>;
}

export interface Sums {
  readonly begun: number;
  readonly running: number;
  readonly errors: number;
  readonly tokensIn: number;
  readonly tokensOut: number;
  /** NaN until one was reported. */
  readonly cost: number;
}

/** Returns what had been told when the first `step` moments have passed, as a function of it. */
export function sumsOf(told: Telling, moments: Moments): (step: number) => Sums {
  const size = moments.count + 1;
  const [begun, over, errors, costs] = [0, 1, 2, 3].map(() => new Uint32Array(size + 1)) as [
    Uint32Array, Uint32Array, Uint32Array, Uint32Array,
  ];
  const [input, output, usd] = [0, 1, 2].map(() => new Float64Array(size + 1)) as [
    Float64Array, Float64Array, Float64Array,
  ];
  for (let row = 0; row < told.count; row += 1) {
    begun[moments.beginsAt[row]! + 1]! += 1;
    // What does not end ends behind the last moment, which no step reaches.
    const at = moments.endsAt[row]! + 1;
    over[at]! += 1;
    if (told.failed(row)) errors[at]! += 1;
    if (!told.counts(row)) continue;
    input[at]! += Math.max(0, told.tokensIn[row]!);
    output[at]! += Math.max(0, told.tokensOut[row]!);
    const paid = told.cost[row]!;
    if (Number.isNaN(paid)) continue;
    usd[at]! += paid;
    costs[at]! += 1;
  }
  for (const column of [begun, over, errors, costs, input, output, usd]) {
    for (let at = 1; at <= size; at += 1) column[at]! += column[at - 1]!;
  }
  return (step) => ({
    begun: begun[step]!,
    running: begun[step]! - over[step]!,
    errors: errors[step]!,
    tokensIn: input[step]!,
    tokensOut: output[step]!,
    cost: costs[step]! > 0 ? usd[step]! : NaN,
  });
}
