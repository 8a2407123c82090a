/** The time of day for open spans, which grow while one looks at them. */

import { signal } from "@preact/signals";

const TICK_MS = 100;

/** The wall clock, in milliseconds since 1970; moves only while somebody holds `tick`. */
export const nowMs = signal(Date.now());

let holders = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** Lets `nowMs` move until the function that is returned is called. */
export function tick(): () => void {
  holders += 1;
  nowMs.value = Date.now();
  timer ??= setInterval(() => {
    if (!document.hidden) nowMs.value = Date.now();
  }, TICK_MS);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    holders -= 1;
    if (holders === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}
