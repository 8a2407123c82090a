/** What stood on the stage after a number of moments: the last call of a model, and the states. */

import type { Moments } from "./moments";

export interface Scene {
  /** The row of the model call that began or ended last; -1 before the first. */
  readonly call: number;
  /** Whether its answer was there. */
  readonly answered: boolean;
  /** Rows of the tools that began after that call did, in order; only the newest of many. */
  readonly tools: readonly number[];
  /** Rows that hold snapshots of state, the newest moment first; only the newest of many. */
  readonly states: readonly StateAt[];
}

export interface StateAt {
  readonly row: number;
  /** Which snapshot was the last by then: the one at its beginning, or the one at its end. */
  readonly side: "before" | "after";
}

export interface Roles {
  isCall(row: number): boolean;
  isTool(row: number): boolean;
  hasState(row: number): boolean;
}

const TOOLS_MAX = 16;
const STATES_MAX = 8;
// How far back one looks for a state or a call: a step in a run of 100,000 spans stays quick.
const LOOK_BACK_MAX = 50_000;

/** Returns the scene when the first `step` moments have passed. */
export function sceneAt(moments: Moments, roles: Roles, step: number): Scene {
  const last = Math.min(step, moments.count) - 1;
  const oldest = Math.max(0, last - LOOK_BACK_MAX);
  const states: StateAt[] = [];
  const tools: number[] = [];
  const seen = new Set<number>();
  let call = -1;
  let callBegan = -1;
  for (let index = last; index >= oldest; index--) {
    const row = moments.row[index]!;
    if (states.length < STATES_MAX && !seen.has(row) && roles.hasState(row)) {
      seen.add(row);
      states.push({ row, side: moments.ends[index] ? "after" : "before" });
    }
    if (call < 0 && roles.isCall(row)) {
      call = row;
      callBegan = moments.beginsAt[row]!;
    }
    const begins = moments.beginsAt[row] === index;
    if (
      begins &&
      roles.isTool(row) &&
      tools.length < TOOLS_MAX &&
      (call < 0 || index > callBegan)
    ) {
      tools.push(row);
    }
    if (call >= 0 && index <= callBegan && states.length === STATES_MAX) break;
  }
  const answered = call >= 0 && moments.endsAt[call]! < step;
  return { call, answered, tools: tools.reverse(), states };
}

/** Returns the next step after `step` at which a wanted row begins or ends; else the last. */
export function nextStep(moments: Moments, step: number, wanted: (row: number) => boolean): number {
  for (let index = Math.max(0, step); index < moments.count; index++) {
    if (wanted(moments.row[index]!)) return index + 1;
  }
  return moments.count;
}

/** Returns the step before `step` at which a wanted row begins or ends; else 0. */
export function previousStep(
  moments: Moments,
  step: number,
  wanted: (row: number) => boolean,
): number {
  for (let index = Math.min(step, moments.count) - 2; index >= 0; index--) {
    if (wanted(moments.row[index]!)) return index + 1;
  }
  return 0;
}
