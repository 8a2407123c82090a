/** Draws a trace into a few dozen lines of pixels. */

import { STATE_ABANDONED, STATUS_ERROR, type Skeleton } from "../../state/skeleton";
import { kindColour } from "../../lib/kinds";
import type { Phase } from "../playhead/moments";
import { phasesNow, stepUs } from "../playhead/stage";

/** More spans than this are drawn as how many there are at a place, not one by one. */
export const SINGLE_MAX = 20_000;

/**
 * Draws all spans of a trace.
 *
 * @param width Width in pixels, as is `height`.
 * @param totalUs The time that the width stands for, from the trace's start.
 * @param colour Returns a colour variable as a colour.
 */
export function paint(
  context: CanvasRenderingContext2D, width: number, height: number, trace: Skeleton,
  totalUs: number, nowUs: number, colour: (name: string) => string,
): void {
  context.clearRect(0, 0, width, height);
  if (trace.count > SINGLE_MAX) paintDensity(context, width, height, trace, totalUs, nowUs, colour);
  else paintEach(context, width, height, trace, totalUs, nowUs, colour);
}

function paintEach(
  context: CanvasRenderingContext2D, width: number, height: number, trace: Skeleton,
  totalUs: number, nowUs: number, colour: (name: string) => string,
): void {
  const lane = Math.min(4, (height - 6) / Math.max(1, trace.count));
  const tall = Math.max(1, lane * 0.75);
  const colours = new Map<number, string>();
  const of = (row: number): string => {
    const kind = row < 0 ? -1 : trace.aiKind[row]!;
    let found = colours.get(kind);
    if (!found) {
      found = colour(kindColour(trace.strings[kind] ?? "").slice(4, -1));
      colours.set(kind, found);
    }
    return found;
  };
  const error = colour("--error");
  const phaseOf = phasesNow();
  const step = stepUs.value;
  for (let row = 0; row < trace.count; row += 1) {
    const left = (trace.start[row]! / totalUs) * width;
    const phase = phaseOf(row);
    const end = endThen(trace, row, nowUs, phase, step);
    const right = phase === "ahead" ? left : (end / totalUs) * width;
    const failed =
      phase === "over" &&
      (trace.status[row] === STATUS_ERROR || trace.state[row] === STATE_ABANDONED);
    context.fillStyle = failed ? error : phase === "ahead" ? of(-1) : of(row);
    context.fillRect(left, 3 + row * lane, Math.max(1, right - left), tall);
  }
}

/** Returns the end of a row as far as it is known at the playhead's moment. */
function endThen(
  trace: Skeleton, row: number, nowUs: number, phase: Phase, step: number | null,
): number {
  const end = trace.endOf(row, nowUs);
  return phase === "running" && step !== null ? Math.min(end, step) : end;
}

/**
 * Returns how many rows are under way at each pixel, as a grid of `width` columns: as far as it is
 * known at the playhead's moment, where rows that have not begun count nowhere.
 */
export function density(
  trace: Skeleton, width: number, height: number, totalUs: number, nowUs: number,
): Float32Array {
  const grid = new Float32Array((width + 1) * height);
  const phaseOf = phasesNow();
  const step = stepUs.value;
  for (let row = 0; row < trace.count; row += 1) {
    const phase = phaseOf(row);
    if (phase === "ahead") continue;
    const line = Math.floor((row * height) / trace.count) * (width + 1);
    const left = Math.min(width - 1, Math.floor((trace.start[row]! / totalUs) * width));
    const end = Math.ceil((endThen(trace, row, nowUs, phase, step) / totalUs) * width);
    grid[line + left]! += 1;
    grid[line + Math.min(width, Math.max(left + 1, end))]! -= 1;
  }
  for (let y = 0; y < height; y += 1) {
    let under = 0;
    for (let x = 0; x <= width; x += 1) {
      under += grid[y * (width + 1) + x]!;
      grid[y * (width + 1) + x] = under;
    }
  }
  return grid;
}

function paintDensity(
  context: CanvasRenderingContext2D, width: number, height: number, trace: Skeleton,
  totalUs: number, nowUs: number, colour: (name: string) => string,
): void {
  const lines = height - 6;
  const grid = density(trace, width, lines, totalUs, nowUs);
  const rowsPerLine = trace.count / lines;
  // Pixels in one piece: a rectangle each would take longer than a frame.
  const drawn = new OffscreenCanvas(width, lines);
  const on = drawn.getContext("2d")!;
  const pixels = on.createImageData(width, lines);
  for (let y = 0; y < lines; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const under = grid[y * (width + 1) + x]!;
      if (under <= 0) continue;
      const share = 0.25 + 0.75 * Math.min(1, Math.sqrt(under / rowsPerLine));
      pixels.data[(y * width + x) * 4 + 3] = 255 * share;
    }
  }
  on.putImageData(pixels, 0, 0);
  on.globalCompositeOperation = "source-in";
  on.fillStyle = colour("--kind-agent");
  on.fillRect(0, 0, width, lines);
  context.imageSmoothingEnabled = false;
  context.drawImage(drawn, 0, 3);
  const phaseOf = phasesNow();
  context.fillStyle = colour("--error");
  for (let row = 0; row < trace.count; row += 1) {
    if (trace.status[row] !== STATUS_ERROR || phaseOf(row) !== "over") continue;
    context.fillRect((trace.start[row]! / totalUs) * width, 3 + (row * lines) / trace.count, 2, 2);
  }
}
