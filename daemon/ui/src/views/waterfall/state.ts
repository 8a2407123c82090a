/** What the waterfall shows of the open trace; all of it comes from the address. */

import { computed, effect, signal } from "@preact/signals";
import { nowMs } from "../../state/clock";
import { param, set } from "../../state/route";
import type { Skeleton } from "../../state/skeleton";
import { select, selectedRow, skeleton } from "../../state/trace";
import { errorsFirstOrder, matchingRows, nextRow, plainOrder, visibleRows } from "./rows";
import { read, written, type Span } from "./zoom";

export const ROW_PX = 24;
const FOLDS_MAX = 100;
const ADDRESS_MS = 150;

const foldText = computed(() => param("fold"));
const levelText = computed(() => param("level"));
const zoomText = computed(() => param("zoom"));
export const find = computed(() => param("find"));
export const errorsFirst = computed(() => param("errors") === "first");

/** Spans that are folded; where a level is set, those that are against it. */
const folds = computed(() => new Set(foldText.value.split(",").filter(Boolean)));
/** Rows this deep or deeper are folded; null for none. */
const level = computed(() => (/^\d{1,4}$/.test(levelText.value) ? Number(levelText.value) : null));

export function isFolded(trace: Skeleton, row: number): boolean {
  const deep = level.value !== null && trace.depth[row]! >= level.value;
  return deep !== folds.value.has(trace.spanId[row]!);
}

export const hasChildren = (trace: Skeleton, row: number): boolean => trace.next[row]! > row + 1;

const order = computed(() => {
  const trace = skeleton.value;
  if (!trace) return plainOrder(0);
  return errorsFirst.value ? errorsFirstOrder(trace) : plainOrder(trace.count);
});

export const visible = computed(() => {
  const trace = skeleton.value;
  if (!trace) return { rows: plainOrder(0), placeOf: plainOrder(0) };
  const none = folds.value.size === 0 && level.value === null;
  return visibleRows(trace, order.value, none ? () => false : (row) => isFolded(trace, row));
});

/** For each row whether it matches what is looked for; null while nothing is. */
export const matches = computed(() => {
  const trace = skeleton.value;
  return trace && find.value ? matchingRows(trace, find.value) : null;
});

export const matchCount = computed(() => matches.value?.reduce((sum, one) => sum + one, 0) ?? 0);

/** Microseconds from the trace's start to now, and to the end of what there is to draw. */
export const nowUs = computed(() => (nowMs.value - (skeleton.value?.startMs ?? 0)) * 1e3);
export const totalUs = computed(() => {
  const trace = skeleton.value;
  if (!trace) return 1;
  // Less cannot be told apart on a ruler that counts whole microseconds.
  return Math.max(10, trace.endUs, trace.openCount > 0 ? nowUs.value : 0);
});

const zoom = signal<Span | null>(null);
effect(() => {
  zoom.value = read(zoomText.value);
});
/** Width of the part that is drawn, in pixels. */
export const timelinePx = signal(600);
/** Room for the label of a bar, in pixels. */
export const LABEL_PX = 180;

/** The whole time and room for the labels behind it, in microseconds. */
export const wholeUs = computed(() => {
  const room = Math.min(LABEL_PX, timelinePx.value * 0.18);
  return (totalUs.value * timelinePx.value) / (timelinePx.value - room);
});

/** The part of the time that is drawn. */
export const shown = computed<Span>(() => zoom.value ?? { from: 0, to: wholeUs.value });
export const isZoomed = computed(() => zoom.value !== null);

let timer: ReturnType<typeof setTimeout> | undefined;

/** Shows a part of the time; null shows all. The address follows when the hand rests. */
export function setZoom(to: Span | null): void {
  zoom.value = to;
  clearTimeout(timer);
  timer = setTimeout(() => set({ zoom: written(to) }), ADDRESS_MS);
}

/** Row that is brought into sight at the next drawing; -1 for none. */
export const wanted = signal(-1);

/** Folds a row or unfolds it. */
export function fold(row: number, to: boolean): void {
  const trace = skeleton.peek();
  if (!trace || row < 0 || isFolded(trace, row) === to || !hasChildren(trace, row)) return;
  const now = new Set(folds.peek());
  const id = trace.spanId[row]!;
  if (now.has(id)) now.delete(id);
  else now.add(id);
  set({ fold: [...now].slice(-FOLDS_MAX).join(",") });
}

/** Folds every row that is not a root's; false unfolds everything. */
export function foldAll(to: boolean): void {
  set({ fold: null, level: to ? 1 : null });
  if (to) wanted.value = selectedRow.peek();
}

/** Unfolds what hides a row, and brings it into sight. */
export function reveal(row: number): void {
  const trace = skeleton.peek();
  if (!trace || row < 0) return;
  const opened = new Set(folds.peek());
  for (let above = trace.parent[row]!; above >= 0; above = trace.parent[above]!) {
    if (!isFolded(trace, above)) continue;
    const id = trace.spanId[above]!;
    if (opened.has(id)) opened.delete(id);
    else opened.add(id);
  }
  if (opened.size !== folds.peek().size) set({ fold: [...opened].join(",") });
  wanted.value = row;
}

/** Selects a row and brings it into sight. */
export function goTo(row: number): void {
  if (row < 0) return;
  reveal(row);
  select(row);
}

/** Goes `by` places down from the selected row. */
export function move(by: number): void {
  const { rows, placeOf } = visible.value;
  if (rows.length === 0) return;
  const at = selectedRow.value < 0 ? -1 : placeOf[selectedRow.value]!;
  const to = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by;
  goTo(rows[Math.min(Math.max(to, 0), rows.length - 1)]!);
}

/** Goes to the next row that is `wanted`; folded ones count. */
export function moveTo(by: 1 | -1, test: (row: number) => boolean): void {
  goTo(nextRow(order.value, selectedRow.value, by, test));
}
