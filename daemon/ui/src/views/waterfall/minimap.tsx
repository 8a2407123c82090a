/** The whole trace on a canvas, however long it is, with the part that is shown. */

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { colour, theme } from "../../lib/theme";
import { skeleton } from "../../state/trace";
import { paced } from "../../state/settle";
import { phasesNow, stepUs } from "../playhead/stage";
import { paint, SINGLE_MAX } from "./minimap_paint";
import { isZoomed, nowUs, setZoom, shown, timelinePx, totalUs, wholeUs } from "./state";
import { clamped } from "./zoom";
import { Picker } from "./picker";

export const MINIMAP_PX = 40;
// Of very many spans the map takes a good part of a frame, and a held key steps every frame or two.
const REDRAW_MS = 100;

export function Minimap() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const redraw = useRef(paced(REDRAW_MS));
  useSignalEffect(() => {
    const trace = skeleton.value;
    const width = Math.round(timelinePx.value);
    const whole = wholeUs.value;
    // What the drawing reads later has to bring this effect back, too.
    void theme.value;
    void stepUs.value;
    void phasesNow();
    if (!trace || width < 1) return undefined;
    const draw = (): void => {
      if (!canvas.current) return;
      const ratio = devicePixelRatio || 1;
      canvas.current.width = width * ratio;
      canvas.current.height = MINIMAP_PX * ratio;
      const context = canvas.current.getContext("2d")!;
      context.scale(ratio, ratio);
      paint(context, width, MINIMAP_PX, trace, whole, nowUs.peek(), colour);
    };
    if (trace.count > SINGLE_MAX) return redraw.current(draw);
    draw();
    return undefined;
  });
  const total = wholeUs.value;
  const percent = (us: number): string => `${Math.min(Math.max(us / total, 0), 1) * 100}%`;
  return (
    <Picker
      class="minimap"
      label="The whole trace; drag to zoom, double-click to see all"
      toUs={(fraction) => fraction * wholeUs.peek()}
      pick={(from, to) => setZoom(clamped(from, to, totalUs.peek()))}
      reset={() => setZoom(null)}
    >
      <canvas ref={canvas} aria-hidden="true" />
      {isZoomed.value && (
        <>
          <span class="veil" style={{ left: 0, width: percent(shown.value.from) }} />
          <span class="veil" style={{ right: 0, left: percent(shown.value.to) }} />
        </>
      )}
      {stepUs.value !== null && <b style={{ left: percent(stepUs.value) }} />}
    </Picker>
  );
}
