/** Plays a run by itself: moments in their own time, shortened where nothing happens. */

import { signal } from "@preact/signals";
import { goTo, moments, passed } from "./stage";

export const playing = signal(false);
/** How many times as fast as it was. */
export const speed = signal(1);
export const SPEEDS: readonly number[] = [0.25, 1, 4, 16];

const PAUSE_MS_MIN = 60;
const PAUSE_MS_MAX = 1_200;

let timer: ReturnType<typeof setTimeout> | undefined;

/** Returns how long to wait between two moments; in a long silence nobody wants to wait. */
export function pauseMs(fromUs: number, toUs: number, times: number): number {
  const own = Math.max(0, toUs - fromUs) / 1_000 / times;
  return Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, own));
}

/** Plays from where the playhead is; from the start where it is off or at the end. */
export function play(): void {
  const all = moments.peek();
  if (all === null || all.count === 0) return;
  if (passed.peek() === null || passed.peek() === all.count) goTo(0);
  playing.value = true;
  next();
}

export function pause(): void {
  playing.value = false;
  clearTimeout(timer);
}

function next(): void {
  const all = moments.peek();
  const at = passed.peek();
  if (all === null || at === null || at >= all.count) {
    pause();
    return;
  }
  const from = at === 0 ? all.timeUs[0]! : all.timeUs[at - 1]!;
  timer = setTimeout(
    () => {
      // Somebody may have gone elsewhere meanwhile.
      const now = passed.peek();
      if (!playing.peek() || now === null) return;
      goTo(now + 1);
      next();
    },
    pauseMs(from, all.timeUs[at]!, speed.peek()),
  );
}
