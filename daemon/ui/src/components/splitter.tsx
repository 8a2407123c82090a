/** An edge between two parts of the page, which can be moved by pointer and keys. */

import { signal, type Signal } from "@preact/signals";

const STEP_PX = 24;

export interface Width {
  readonly px: Signal<number>;
  /** Sets it, within its bounds, and keeps it for the next time. */
  readonly set: (px: number) => void;
  readonly min: number;
  readonly max: number;
}

/** Returns a width that is kept in this browser under `name`. */
export function keptWidth(name: string, first: number, min: number, max: number): Width {
  const key = `sidespan.${name}`;
  const fitting = (px: number): number => Math.min(max, Math.max(min, Math.round(px)));
  const px = signal(fitting(Number(localStorage.getItem(key)) || first));
  return {
    px, min, max,
    set(to) {
      px.value = fitting(to);
      localStorage.setItem(key, String(px.value));
    },
  };
}

/**
 * @param side The side of its parent from which the width is measured.
 */
export function Splitter({ width, side, label }: { width: Width; side: "left" | "right"; label: string }) {
  const towards = side === "left" ? 1 : -1;
  return (
    <div
      class="splitter"
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={label}
      aria-valuenow={width.px.value}
      aria-valuemin={width.min}
      aria-valuemax={width.max}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        const box = event.currentTarget.parentElement!.getBoundingClientRect();
        width.set(side === "left" ? event.clientX - box.left : box.right - event.clientX);
      }}
      onKeyDown={(event) => {
        if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
        event.preventDefault();
        width.set(width.px.peek() + (event.key === "ArrowRight" ? towards : -towards) * STEP_PX);
      }}
    />
  );
}
