/** The rows that are in sight, as an ARIA treegrid; the others are only height. */

import { signal, untracked, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { selectedSpan } from "../../state/route";
import type { Skeleton } from "../../state/skeleton";
import { selectedRow } from "../../state/trace";
import { stepRow } from "../playhead/stage";
import { Lines, Playhead } from "./ruler";
import { Row } from "./row";
import { ROW_PX, reveal, setZoom, shown, timelinePx, totalUs, visible, wanted } from "./state";
import { clamped, panned, zoomed } from "./zoom";

const AHEAD_ROWS = 3;
/** Browsers lay out no element that is higher than about 33 million pixels. */
const HEIGHT_PX_MAX = 33_000_000;
const DRAG_PX_MIN = 5;

const first = signal(0);
const inSight = signal(40);
const picked = signal<{ from: number; to: number } | null>(null);

/** How many rows a page key moves. */
export const pageRows = (): number => Math.max(1, inSight.peek() - 2);

export function Grid({ trace }: { trace: Skeleton }) {
  const box = useRef<HTMLDivElement>(null);
  useMeasure(box);
  useWheel(box);
  useDrag(box);
  useInSight(box, trace);
  const { rows } = visible.value;
  const from = Math.max(0, Math.min(first.value, rows.length - inSight.value) - AHEAD_ROWS);
  const to = Math.min(rows.length, first.value + inSight.value + AHEAD_ROWS);
  const selected = selectedRow.value;
  // A row that scrolls out lends its elements to the one that scrolls in, where they are: moving
  // them would cost more than filling them. Readers of the screen go by aria-rowindex.
  const slots = inSight.value + 2 * AHEAD_ROWS + 1;
  const drawn = new Array<preact.VNode | null>(slots).fill(null);
  for (let place = from; place < to; place += 1) {
    const at = place % slots;
    drawn[at] = <Row key={at} trace={trace} row={rows[place]!} place={place} />;
  }
  return (
    <div
      id="grid"
      class="grid"
      ref={box}
      role="treegrid"
      tabIndex={0}
      aria-label="Spans"
      aria-rowcount={rows.length}
      aria-activedescendant={selected >= 0 ? `row-${selected}` : undefined}
      onScroll={(event) => {
        first.value = Math.floor(event.currentTarget.scrollTop / ROW_PX);
      }}
    >
      <div class="grid-rows" style={{ height: `${Math.min(rows.length * ROW_PX, HEIGHT_PX_MAX)}px` }}>
        {drawn}
      </div>
      <div class="grid-lines behind">
        <Lines />
      </div>
      <div class="grid-lines">
        <Playhead />
        {picked.value && (
          <span
            class="picked"
            style={{
              left: `${Math.min(picked.value.from, picked.value.to)}px`,
              width: `${Math.abs(picked.value.to - picked.value.from)}px`,
            }}
          />
        )}
      </div>
    </div>
  );
}

type Box = { readonly current: HTMLDivElement | null };

const lines = (box: Box): HTMLElement => box.current!.querySelector(".grid-lines")!;

function useMeasure(box: Box): void {
  useLayoutEffect(() => {
    const element = box.current!;
    let height = element.clientHeight;
    first.value = Math.floor(element.scrollTop / ROW_PX);
    const measure = () => {
      const before = height;
      height = element.clientHeight;
      inSight.value = Math.ceil(height / ROW_PX) + 1;
      timelinePx.value = Math.max(1, lines(box).clientWidth);
      // What the foot of the page now covers is brought up again.
      const bottom = (placeOf(selectedRow.peek()) + 1) * ROW_PX - element.scrollTop;
      if (bottom > height && bottom <= before) wanted.value = selectedRow.peek();
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    observer.observe(lines(box));
    element.focus({ preventScroll: true });
    return () => observer.disconnect();
  }, []);
}

/** Returns the place of a row; -1 where it is not shown. */
const placeOf = (row: number): number => (row < 0 ? -1 : visible.peek().placeOf[row] ?? -1);

/** Returns the time under a pointer. */
function usAt(box: Box, clientX: number): number {
  const area = lines(box).getBoundingClientRect();
  const { from, to } = shown.peek();
  return from + ((clientX - area.left) / area.width) * (to - from);
}

function useWheel(box: Box): void {
  useEffect(() => {
    const wheel = (event: WheelEvent) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        const factor = Math.exp(Math.max(-120, Math.min(120, event.deltaY)) * 0.004);
        setZoom(zoomed(shown.peek(), usAt(box, event.clientX), factor, totalUs.peek()));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        const by = (event.deltaX || event.deltaY) / timelinePx.peek();
        setZoom(panned(shown.peek(), by, totalUs.peek()));
      }
    };
    const element = box.current!;
    // Only a listener that may take the wheel away keeps the page from zooming.
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, []);
}

function useDrag(box: Box): void {
  useEffect(() => {
    const element = box.current!;
    const at = (event: PointerEvent) => event.clientX - lines(box).getBoundingClientRect().left;
    let began = -1;
    const down = (event: PointerEvent) => {
      const inTime = (event.target as Element).closest(".span-time") !== null;
      if (inTime && event.button === 0) began = at(event);
    };
    const over = (event: PointerEvent) => {
      if (began < 0) return;
      if (picked.peek() === null && Math.abs(at(event) - began) < DRAG_PX_MIN) return;
      if (picked.peek() === null) element.setPointerCapture(event.pointerId);
      picked.value = { from: began, to: Math.min(Math.max(at(event), 0), timelinePx.peek()) };
    };
    const up = () => {
      began = -1;
      const range = picked.peek();
      if (range === null) return;
      picked.value = null;
      const { from, to } = shown.peek();
      const us = (x: number) => from + (x / timelinePx.peek()) * (to - from);
      const ends = [us(Math.min(range.from, range.to)), us(Math.max(range.from, range.to))] as const;
      setZoom(clamped(ends[0], ends[1], totalUs.peek()));
    };
    const events = { pointerdown: down, pointermove: over, pointerup: up, pointercancel: up } as const;
    for (const [name, run] of Object.entries(events)) element.addEventListener(name, run as EventListener);
    return () => {
      for (const [name, run] of Object.entries(events)) element.removeEventListener(name, run as EventListener);
    };
  }, []);
}

/** Keeps in sight what should be: the row that was gone to, the playhead's, and a growing end. */
function useInSight(box: Box, trace: Skeleton): void {
  const atEnd = useRef(false);
  useSignalEffect(() => {
    const row = wanted.value;
    const place = row < 0 ? -1 : visible.value.placeOf[row] ?? -1;
    if (place < 0 || !box.current) return;
    const top = place * ROW_PX;
    const { scrollTop, clientHeight } = box.current;
    if (top < scrollTop) box.current.scrollTop = Math.max(0, top - 2 * ROW_PX);
    else if (top + ROW_PX > scrollTop + clientHeight) {
      box.current.scrollTop = top - clientHeight + 3 * ROW_PX;
    }
    wanted.value = -1;
  });
  useSignalEffect(() => {
    const row = stepRow.value;
    untracked(() => reveal(row));
  });
  useSignalEffect(() => {
    // By its id: when rows are added above, the span that is selected has not been gone to again.
    void selectedSpan.value;
    untracked(() => reveal(selectedRow.value));
  });
  useLayoutEffect(() => {
    const element = box.current!;
    if (atEnd.current) element.scrollTop = element.scrollHeight;
    return () => {
      const rest = element.scrollHeight - element.scrollTop - element.clientHeight;
      // A trace that fits has no end that one would have gone to.
      atEnd.current = rest < ROW_PX && element.scrollTop > 0;
    };
  }, [trace]);
}
