/** Times above the rows, and a line through them at each. Dragging picks what is shown. */

import { duration } from "../../lib/format";
import { stepUs } from "../playhead/stage";
import { setZoom, shown, timelinePx, totalUs } from "./state";
import { clamped, ticks } from "./zoom";
import { Picker } from "./picker";

const TICK_PX = 110;

const marks = () => ticks(shown.value, Math.floor(timelinePx.value / TICK_PX));

/** Returns a time without digits that say nothing: `10 s`, not `10.0 s`. */
const round = (us: number): string => duration(us).replace(/(\.\d*?)0+(?=\u202f)/, "$1").replace(".\u202f", "\u202f");

const px = (us: number): number =>
  ((us - shown.value.from) / (shown.value.to - shown.value.from)) * timelinePx.value;

export function Ruler() {
  return (
    <Picker
      class="ruler"
      label="Times; drag to zoom"
      toUs={(fraction) => shown.value.from + fraction * (shown.value.to - shown.value.from)}
      pick={(from, to) => setZoom(clamped(from, to, totalUs.peek()))}
      reset={() => setZoom(null)}
    >
      {marks().map((us) => (
        <span key={us} class="tick" style={{ left: `${px(us)}px` }}>{round(us)}</span>
      ))}
    </Picker>
  );
}

export function Lines() {
  return (
    <div class="lines" aria-hidden="true">
      {marks().map((us) => <i key={us} style={{ left: `${px(us)}px` }} />)}
    </div>
  );
}

export function Playhead() {
  const step = stepUs.value;
  if (step === null) return null;
  return (
    <div class="lines" aria-hidden="true">
      <b style={{ left: `${px(step)}px` }} />
    </div>
  );
}
