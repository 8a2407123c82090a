/** The moments of a run in order: each span begins at one and ends at another. */

export interface Run {
  readonly count: number;
  /** Row of the parent, which comes before its children; -1 for none. */
  readonly parent: ArrayLike<number>;
  readonly depth: ArrayLike<number>;
  /** Microseconds from the start of the trace. */
  readonly start: ArrayLike<number>;
  /** -1 for a span that has not ended. */
  readonly duration: ArrayLike<number>;
  /** Rank in the order of the log. */
  readonly order: ArrayLike<number>;
}

/** What the moments follow: the spans' own clocks, or the node's log. */
export type Clockwork = "clock" | "log";

export interface Moments {
  readonly count: number;
  /** Row of each moment. */
  readonly row: Int32Array;
  /** 1 where the moment ends its span. */
  readonly ends: Uint8Array;
  /** Microseconds from the start of the trace, by the spans' own clocks. */
  readonly timeUs: Float64Array;
  /** The moment at which each row begins. */
  readonly beginsAt: Int32Array;
  /** The moment at which each row ends; `count` when it has no end. */
  readonly endsAt: Int32Array;
}

export type Phase = "ahead" | "running" | "over";

/**
 * Returns the moments of a run.
 *
 * By the clock no span begins before its parent or ends before it begins, whatever the clocks of
 * several nodes say: a moment that reads earlier is put right behind. Only the order is changed by
 * that, no reading is. By the log a span is one moment, at which it became durable.
 */
export function momentsOf(run: Run, by: Clockwork): Moments {
  return by === "log" ? byLog(run) : byClock(run);
}

/** Returns how far a row has come when `step` moments have passed. */
export function phase(moments: Moments, row: number, step: number): Phase {
  if (moments.beginsAt[row]! >= step) return "ahead";
  return moments.endsAt[row]! >= step ? "running" : "over";
}

function byClock(run: Run): Moments {
  const { count } = run;
  const begin = new Float64Array(count);
  const end = new Float64Array(count);
  for (let row = 0; row < count; row++) {
    const parent = run.parent[row]!;
    const own = run.start[row]!;
    begin[row] = parent >= 0 && begin[parent]! > own ? begin[parent]! : own;
    const length = run.duration[row]!;
    end[row] = length < 0 ? Infinity : Math.max(begin[row]!, own + length);
  }
  // Event 2r is the beginning of row r, 2r + 1 its end.
  const events: number[] = [];
  for (let row = 0; row < count; row++) {
    events.push(2 * row);
    if (end[row] !== Infinity) events.push(2 * row + 1);
  }
  const tour = eulerTour(run);
  const timeOf = (event: number) => (event & 1 ? end : begin)[event >> 1]!;
  // What reads the same is told apart by its nesting: a parent begins first and ends last.
  events.sort((a, b) => timeOf(a) - timeOf(b) || tour[a]! - tour[b]!);
  return assemble(count, events, timeOf);
}

function byLog(run: Run): Moments {
  const rows = Array.from({ length: run.count }, (_, row) => row);
  rows.sort((a, b) => run.order[a]! - run.order[b]! || a - b);
  const endOf = (row: number) => run.start[row]! + Math.max(0, run.duration[row]!);
  const events = rows.map((row) => 2 * row + 1);
  const moments = assemble(run.count, events, (event) => endOf(event >> 1));
  moments.beginsAt.set(moments.endsAt);
  return moments;
}

function assemble(
  rows: number,
  events: readonly number[],
  timeOf: (event: number) => number,
): Moments {
  const count = events.length;
  const moments: Moments = {
    count,
    row: new Int32Array(count),
    ends: new Uint8Array(count),
    timeUs: new Float64Array(count),
    beginsAt: new Int32Array(rows),
    endsAt: new Int32Array(rows).fill(count),
  };
  for (let index = 0; index < count; index++) {
    const event = events[index]!;
    moments.row[index] = event >> 1;
    moments.ends[index] = event & 1;
    moments.timeUs[index] = timeOf(event);
    (event & 1 ? moments.endsAt : moments.beginsAt)[event >> 1] = index;
  }
  return moments;
}

/** Returns the place of each event in a walk that enters and leaves every row once. */
function eulerTour(run: Run): Int32Array {
  const tour = new Int32Array(2 * run.count);
  const open: number[] = [];
  let place = 0;
  for (let row = 0; row < run.count; row++) {
    while (open.length > 0 && run.depth[open[open.length - 1]!]! >= run.depth[row]!) {
      tour[2 * open.pop()! + 1] = place++;
    }
    tour[2 * row] = place++;
    open.push(row);
  }
  while (open.length > 0) tour[2 * open.pop()! + 1] = place++;
  return tour;
}
