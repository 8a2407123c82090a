/** One row of the waterfall: what the span is, and when it ran. */

import { compact, cost, duration } from "../../lib/format";
import { kindColour } from "../../lib/kinds";
import { StatusSign } from "../../components/status";
import {
  STATE_ABANDONED, STATE_ENDED_LATE, STATE_OPEN, STATUS_ERROR, type Skeleton,
} from "../../state/skeleton";
import { select, selectedRow } from "../../state/trace";
import { phaseOf, stepRow, stepUs } from "../playhead/stage";
import {
  fold, hasChildren, isFolded, LABEL_PX, matches, nowUs, ROW_PX, setZoom, shown, timelinePx, totalUs,
} from "./state";
import { clamped } from "./zoom";

/** How far a level is moved in, in pixels; deep trees are moved less. */
const INDENT_PX = 14;
const INDENT_PX_MAX = 180;
const LINE_PX_MIN = 5;
const EDGE_PX = 8;
const TWISTY_PX = 18;
const CHARACTER_PX = 6.3;
const BAR_PX_MIN = 2;

export interface RowProps {
  trace: Skeleton;
  row: number;
  place: number;
}

/** Returns `error`, `open`, `abandoned` or nothing. */
export function standing(trace: Skeleton, row: number): string {
  const state = trace.state[row];
  if (state === STATE_ABANDONED || state === STATE_ENDED_LATE) return "abandoned";
  if (trace.status[row] === STATUS_ERROR) return "error";
  return state === STATE_OPEN ? "open" : "";
}

export function Row({ trace, row, place }: RowProps) {
  const selected = row === selectedRow.value;
  const dimmed = matches.value !== null && !matches.value[row];
  const phase = phaseOf(row);
  const parent = trace.parent[row]!;
  const classes = [
    "span-row",
    selected && "selected",
    dimmed && "dimmed",
    phase === "ahead" && "ahead",
    row === stepRow.value && "at-playhead",
  ];
  return (
    <div
      id={`row-${row}`}
      class={classes.filter(Boolean).join(" ")}
      role="row"
      aria-level={trace.depth[row]! + 1}
      aria-rowindex={place + 1}
      aria-selected={selected}
      aria-expanded={hasChildren(trace, row) ? !isFolded(trace, row) : undefined}
      data-span={trace.spanId[row]}
      style={{ transform: `translateY(${place * ROW_PX}px)` }}
      onClick={() => select(row)}
      onDblClick={() => zoomTo(trace, row)}
    >
      <div class="span-name" role="gridcell" style={indent(trace, row)}>
        {hasChildren(trace, row) && <Twisty trace={trace} row={row} />}
        {phase === "ahead" ? (
          <span class="what">not begun</span>
        ) : (
          <Name trace={trace} row={row} parent={parent} running={phase === "running"} />
        )}
      </div>
      <div class="span-time" role="gridcell">
        {phase === "ahead" ? (
          <Place trace={trace} row={row} />
        ) : (
          <Bar trace={trace} row={row} running={phase === "running"} />
        )}
      </div>
    </div>
  );
}

/** Fills the width with one span. */
export function zoomTo(trace: Skeleton, row: number): void {
  const from = trace.start[row]!;
  const to = trace.endOf(row, nowUs.peek());
  const air = Math.max(1, (to - from) * 0.04);
  setZoom(clamped(from - air, to + air, totalUs.peek()));
}

/** Moves a name in by its depth, with a line for each level above it. */
function indent(trace: Skeleton, row: number): Record<string, string> {
  const depth = trace.depth[row]!;
  const width = Math.min(depth * INDENT_PX, INDENT_PX_MAX);
  const step = depth > 0 ? width / depth : INDENT_PX;
  const left = EDGE_PX + width + (hasChildren(trace, row) ? 0 : TWISTY_PX);
  return {
    paddingLeft: `${left}px`,
    // Lines closer than this would be a wash of grey.
    backgroundSize: `${step < LINE_PX_MIN ? 0 : width}px 100%`,
    "--step": `${step}px`,
  };
}

function Twisty({ trace, row }: { trace: Skeleton; row: number }) {
  const folded = isFolded(trace, row);
  return (
    <button
      type="button"
      class={`twisty ${folded ? "folded" : ""}`}
      tabIndex={-1}
      aria-label={folded ? "Unfold" : "Fold"}
      onClick={(event) => {
        event.stopPropagation();
        fold(row, !folded);
      }}
      onDblClick={(event) => event.stopPropagation()}
    />
  );
}

interface NameProps {
  trace: Skeleton;
  row: number;
  parent: number;
  running: boolean;
}

function Name({ trace, row, parent, running }: NameProps) {
  const name = trace.text(trace.name, row);
  const kind = trace.text(trace.aiKind, row);
  const stands = running ? "open" : standing(trace, row);
  // The model is known by its answer.
  const about = [running ? "" : trace.text(trace.model, row), trace.text(trace.tool, row)]
    .filter((one) => one && !name.includes(one));
  const service = trace.text(trace.service, row);
  const moved = parent < 0 || trace.service[parent] !== trace.service[row];
  const below = trace.next[row]! - row - 1;
  return (
    <>
      <i class="kind" style={{ background: kindColour(kind) }} title={kind || trace.text(trace.kind, row)} />
      {stands && <StatusSign status={stands} />}
      <span class={`what ${stands}`} title={name}>{name || "unnamed"}</span>
      {about.map((one) => <span key={one} class="about">{one}</span>)}
      {moved && service && <span class="about service">{service}</span>}
      {below > 0 && isFolded(trace, row) && <span class="below">+{compact(below)}</span>}
    </>
  );
}

function label(trace: Skeleton, row: number, endUs: number, running: boolean): string {
  if (running) return "running";
  const parts = [duration(endUs - trace.start[row]!)];
  if (trace.state[row] === STATE_ABANDONED) parts[0] = "abandoned";
  const [input, output] = [trace.tokensIn[row]!, trace.tokensOut[row]!];
  if (input >= 0 || output >= 0) {
    parts.push(`${compact(Math.max(0, input))} → ${compact(Math.max(0, output))}`);
  }
  if (!Number.isNaN(trace.cost[row]!)) parts.push(cost(trace.cost[row]!));
  return parts.join("  ");
}

/** Where a span will begin, and no more. */
function Place({ trace, row }: { trace: Skeleton; row: number }) {
  const { from, to } = shown.value;
  const left = ((trace.start[row]! - from) / (to - from)) * timelinePx.value;
  if (left < 0 || left > timelinePx.value) return null;
  return <span class="bar" style={{ left: `${left}px`, width: `${BAR_PX_MIN}px` }} />;
}

function Bar({ trace, row, running }: { trace: Skeleton; row: number; running: boolean }) {
  const { from, to } = shown.value;
  const open = trace.state[row] === STATE_OPEN;
  const start = trace.start[row]!;
  const end = trace.endOf(row, open ? nowUs.value : 0);
  const drawn = running && stepUs.value !== null ? Math.max(start, Math.min(end, stepUs.value)) : end;
  const scale = timelinePx.value / (to - from);
  const left = (start - from) * scale;
  const right = (drawn - from) * scale;
  const edge = timelinePx.value;
  if (right < 0 || left > edge) {
    return <span class={`outside ${right < 0 ? "before" : "after"}`} title={running ? "running" : duration(end - start)} />;
  }
  const barLeft = Math.max(left, -4);
  const width = Math.max(BAR_PX_MIN, Math.min(right, edge + 4) - barLeft);
  const text = label(trace, row, end, running);
  const needed = Math.min(LABEL_PX - 1, text.length * CHARACTER_PX + 14);
  const roomRight = edge - (barLeft + width) >= needed;
  const at = roomRight
    ? { left: `${barLeft + width + 6}px` }
    : barLeft >= needed
      ? { right: `${edge - barLeft + 6}px` }
      : { right: `${Math.max(edge - right, 0) + 8}px` };
  const inside = !roomRight && barLeft < needed;
  const first = trace.ttft[row]!;
  const firstAt = (start + first - from) * scale;
  const stands = running ? "open" : standing(trace, row);
  return (
    <>
      <span
        class={`bar ${stands}`}
        style={{
          left: `${barLeft}px`,
          width: `${width}px`,
          backgroundColor: kindColour(trace.text(trace.aiKind, row)),
        }}
      />
      {first >= 0 && firstAt > barLeft && firstAt < barLeft + width && (
        <span class="first-token" title={`first token after ${duration(first)}`} style={{ left: `${firstAt}px` }} />
      )}
      <span class={`bar-label ${inside ? "inside" : ""} ${stands}`} style={at}>{text}</span>
    </>
  );
}
