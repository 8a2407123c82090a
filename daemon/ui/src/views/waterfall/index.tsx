/** The waterfall: what ran, below what, and when. */

import { Splitter, keptWidth } from "../../components/splitter";
import { useKeys } from "../../keys";
import { set } from "../../state/route";
import { STATUS_ERROR } from "../../state/skeleton";
import { select, selectedRow, skeleton } from "../../state/trace";
import { Grid, pageRows } from "./grid";
import { Minimap } from "./minimap";
import { Ruler } from "./ruler";
import { zoomTo } from "./row";
import {
  errorsFirst, find, fold, foldAll, goTo, hasChildren, isFolded, matches, move, moveTo, setZoom,
  shown, timelinePx, totalUs, visible,
} from "./state";
import { Toolbar } from "./toolbar";
import { panned, zoomed } from "./zoom";
import "./waterfall.css";

const nameWidth = keptWidth("names", 400, 160, 900);
const ZOOM_STEP = 0.6;
const PAN_STEP = 0.25;

export function Waterfall() {
  useKeys("Waterfall", keys);
  const trace = skeleton.value;
  if (!trace) return null;
  return (
    <div
      class="waterfall"
      style={{ "--name-width": `min(${nameWidth.px.value}px, max(32vw, 150px))`, "--time-width": `${timelinePx.value}px` }}
    >
      <div class="waterfall-head">
        <Toolbar trace={trace} />
        <Minimap />
        <div class="column-title">Span</div>
        <Ruler />
      </div>
      <Grid trace={trace} />
      <Splitter width={nameWidth} side="left" label="Width of the names" />
    </div>
  );
}

function keys() {
  return [
    { keys: ["ArrowDown"], does: "Next span", run: () => move(1) },
    { keys: ["ArrowUp"], does: "Previous span", run: () => move(-1) },
    { keys: ["PageDown"], does: "A page down", run: () => move(pageRows()) },
    { keys: ["PageUp"], does: "A page up", run: () => move(-pageRows()) },
    { keys: ["Home"], does: "First span", run: () => goTo(visible.value.rows[0] ?? -1) },
    { keys: ["End"], does: "Last span", run: () => goTo(visible.value.rows.at(-1) ?? -1) },
    { keys: ["ArrowRight"], does: "Unfold, or go to the first child", run: inwards },
    { keys: ["ArrowLeft"], does: "Fold, or go to the parent", run: outwards },
    { keys: ["Enter"], does: "Open what the span did", run: openContext },
    { keys: ["Escape"], does: "Select nothing", run: () => select(-1) },
    { keys: ["e"], does: "Next error", run: () => moveTo(1, failed) },
    { keys: ["E"], does: "Previous error", run: () => moveTo(-1, failed) },
    { keys: ["r"], does: "Errors first", run: () => set({ errors: errorsFirst.value ? null : "first" }) },
    { keys: ["f"], does: "Find in this trace", run: () => document.getElementById("find")?.focus() },
    { keys: ["n"], does: "Next match", run: () => find.value && moveTo(1, matching) },
    { keys: ["N"], does: "Previous match", run: () => find.value && moveTo(-1, matching) },
    { keys: ["c"], does: "Fold all", run: () => foldAll(true) },
    { keys: ["x"], does: "Unfold all", run: () => foldAll(false) },
    { keys: ["+", "="], does: "Zoom in", run: () => zoomBy(ZOOM_STEP) },
    { keys: ["-"], does: "Zoom out", run: () => zoomBy(1 / ZOOM_STEP) },
    { keys: ["0"], does: "Show the whole time", run: () => setZoom(null) },
    { keys: ["z"], does: "Zoom to the span", run: zoomToSelected },
    { keys: ["a"], does: "Earlier", run: () => setZoom(panned(shown.value, -PAN_STEP, totalUs.value)) },
    { keys: ["d"], does: "Later", run: () => setZoom(panned(shown.value, PAN_STEP, totalUs.value)) },
  ];
}

const failed = (row: number): boolean => skeleton.value?.status[row] === STATUS_ERROR;
const matching = (row: number): boolean => matches.value?.[row] === 1;

function inwards(): void {
  const trace = skeleton.value;
  const row = selectedRow.value;
  if (!trace || row < 0 || !hasChildren(trace, row)) return;
  if (isFolded(trace, row)) fold(row, false);
  else move(1);
}

function outwards(): void {
  const trace = skeleton.value;
  const row = selectedRow.value;
  if (!trace || row < 0) return;
  if (hasChildren(trace, row) && !isFolded(trace, row)) fold(row, true);
  else goTo(trace.parent[row]!);
}

function openContext(): void {
  if (selectedRow.value >= 0) set({ view: "context" }, "push");
}

function zoomToSelected(): void {
  const trace = skeleton.value;
  if (trace && selectedRow.value >= 0) zoomTo(trace, selectedRow.value);
}

/** Zooms about the selected span where it is shown, else about the middle. */
function zoomBy(factor: number): void {
  const { from, to } = shown.value;
  const trace = skeleton.value;
  const row = selectedRow.value;
  const at = trace && row >= 0 ? trace.start[row]! : NaN;
  setZoom(zoomed(shown.value, at >= from && at <= to ? at : (from + to) / 2, factor, totalUs.value));
}
