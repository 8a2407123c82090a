/** Pixels of the causal flow: boxes in columns and lanes, and the curves between them. */

export interface Geometry {
  /** Width of a column. */
  readonly column: number;
  /** Width and height of a box. */
  readonly box: number;
  readonly height: number;
  readonly lane: number;
  /** Space above the first lane. */
  readonly top: number;
}

// Chromium lays out nothing beyond about 33 million pixels.
const WIDTH_MAX = 30_000_000;

/** Widths of a column to choose from; from `NAMED_FROM` on a box has its name in it. */
export const WIDTHS: readonly number[] = [14, 24, 44, 96, 140, 200];
export const NAMED_FROM = 96;
const SUITS_MAX = 180;
const SCROLLED = 132;

/** Returns the column with which so many spans fill a room; with names while that is useful. */
export function widthFor(spans: number, roomPx: number): number {
  const filling = Math.floor(roomPx / Math.max(1, spans));
  if (filling >= NAMED_FROM) return Math.min(filling, SUITS_MAX);
  return spans <= 400 ? SCROLLED : 24;
}

export function geometryOf(width: number, spans: number): Geometry {
  const column = Math.min(width, WIDTH_MAX / Math.max(1, spans));
  const named = column >= NAMED_FROM;
  return {
    column,
    box: named ? column - 26 : Math.max(6, column - 8),
    height: named ? 36 : 14,
    lane: named ? 70 : 40,
    top: 10,
  };
}

/** Returns the left edge and the middle of a box. */
export function placeOf(
  geometry: Geometry,
  column: number,
  lane: number,
): { x: number; y: number } {
  const { column: width, box, lane: height, top } = geometry;
  return { x: column * width + (width - box) / 2, y: top + lane * height + height / 2 };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Returns the path of an edge between two boxes, from side to side; one back bends below them. */
export function curve(geometry: Geometry, from: Point, to: Point): string {
  const { box, height } = geometry;
  if (to.x > from.x) {
    const start = from.x + box;
    const bend = Math.min(60, Math.max(8, (to.x - start) / 2));
    if (from.y === to.y && to.x - start > geometry.column) {
      // Over the boxes between, which stand in the same lane.
      const over = from.y - height / 2 - 9;
      return (
        `M${start} ${from.y}C${start + 10} ${over} ${start + 14} ${over} ${start + 24} ${over}` +
        `L${to.x - 24} ${over}C${to.x - 14} ${over} ${to.x - 10} ${over} ${to.x} ${to.y}`
      );
    }
    return `M${start} ${from.y}C${start + bend} ${from.y} ${to.x - bend} ${to.y} ${to.x} ${to.y}`;
  }
  const left = from.x + box / 2;
  const right = to.x + box / 2;
  const below = Math.max(from.y, to.y) + height / 2 + 12;
  const [start, end] = [from.y + height / 2, to.y + height / 2];
  return `M${left} ${start}C${left} ${below} ${right} ${below} ${right} ${end}`;
}

/** Returns as much of a text as fits into a width, in a type whose letters are 6 pixels wide. */
export function fitted(text: string, width: number): string {
  const characters = Math.max(1, Math.floor(width / 6));
  return text.length <= characters ? text : `${text.slice(0, characters - 1)}…`;
}

/** Returns a name in which ids that nobody reads whole, as UUIDs are, have their beginning alone. */
export function shortId(name: string): string {
  return name
    .replace(/\b([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "$1…")
    .replace(/\b([0-9a-f]{8})[0-9a-f]{12,}\b/gi, "$1…");
}
