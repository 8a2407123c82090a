/** An area along time where a drag picks a part. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

const DRAG_PX_MIN = 4;

export interface PickerProps {
  class: string;
  label: string;
  /** Returns the time at a fraction of the width. */
  toUs: (fraction: number) => number;
  pick: (from: number, to: number) => void;
  reset: () => void;
  children?: ComponentChildren;
}

export function Picker({ class: name, label, toUs, pick, reset, children }: PickerProps) {
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const at = (event: PointerEvent): number => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return Math.min(Math.max(event.clientX - box.left, 0), box.width);
  };
  return (
    <div
      class={`picker ${name}`}
      title={label}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ from: at(event), to: at(event) });
      }}
      onPointerMove={(event) => drag && setDrag({ from: drag.from, to: at(event) })}
      onPointerUp={(event) => {
        if (drag === null) return;
        const width = event.currentTarget.getBoundingClientRect().width;
        const [left, right] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
        setDrag(null);
        if (right - left >= DRAG_PX_MIN) pick(toUs(left / width), toUs(right / width));
      }}
      onPointerCancel={() => setDrag(null)}
      onDblClick={reset}
    >
      {children}
      {drag && (
        <span
          class="picked"
          style={{
            left: `${Math.min(drag.from, drag.to)}px`,
            width: `${Math.abs(drag.to - drag.from)}px`,
          }}
        />
      )}
    </div>
  );
}
