/** The part of a trace's time that is shown. Pure; all times are microseconds after its start. */

export interface Span {
  readonly from: number;
  readonly to: number;
}

const SHOWN_US_MIN = 2;

/** Reads what `written` writes; null where it is nothing of the kind. */
export function read(text: string): Span | null {
  const found = /^(\d{1,15})-(\d{1,15})$/.exec(text);
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2])];
  return to - from >= SHOWN_US_MIN ? { from, to } : null;
}

/** Returns a part of the time as the address has it; empty for all. */
export function written(shown: Span | null): string {
  return shown ? `${Math.floor(shown.from)}-${Math.ceil(shown.to)}` : "";
}

/** Returns a part as it fits into the whole; null where that is the whole. */
export function clamped(from: number, to: number, totalUs: number): Span | null {
  const width = Math.max(Math.min(SHOWN_US_MIN, totalUs), to - from);
  if (width >= totalUs) return null;
  const left = Math.min(Math.max(from, 0), totalUs - width);
  return { from: left, to: left + width };
}

/** Returns the part that is left when one zooms by `factor` (below 1: closer) about `at`. */
export function zoomed(shown: Span, at: number, factor: number, totalUs: number): Span | null {
  const from = at - (at - shown.from) * factor;
  const to = at + (shown.to - at) * factor;
  if (to - from >= SHOWN_US_MIN) return clamped(from, to, totalUs);
  return clamped(at - SHOWN_US_MIN / 2, at + SHOWN_US_MIN / 2, totalUs);
}

/** Returns the part moved by a fraction of its own width. */
export function panned(shown: Span, fraction: number, totalUs: number): Span | null {
  const by = (shown.to - shown.from) * fraction;
  return clamped(shown.from + by, shown.to + by, totalUs);
}

/** Returns round times in the part, about `wanted` of them, for a ruler. */
export function ticks(shown: Span, wanted: number): number[] {
  const rough = (shown.to - shown.from) / Math.max(1, wanted);
  const step = roundStep(rough);
  const found: number[] = [];
  for (let at = Math.ceil(shown.from / step); at * step <= shown.to; at += 1) found.push(at * step);
  return found;
}

// Above a second people count in 60s.
const LONG_STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400];

function roundStep(rough: number): number {
  if (rough > 1e6) {
    const long = LONG_STEPS_S.find((seconds) => seconds * 1e6 >= rough);
    if (long !== undefined) return long * 1e6;
  }
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].find((digit) => digit * power >= rough)! * power;
}
