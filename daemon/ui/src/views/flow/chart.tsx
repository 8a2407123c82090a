/** The chart of the flow: only the columns in sight are drawn, whatever the trace holds. */

import { useEffect, useRef, useState } from "preact/hooks";
import { duration } from "../../lib/format";
import { kindColour } from "../../lib/kinds";
import { STATE_ABANDONED, STATE_OPEN, STATUS_ERROR, type Skeleton } from "../../state/skeleton";
import { skeleton } from "../../state/trace";
import { phaseOf, stepRow } from "../playhead/stage";
import {
  curve, fitted, geometryOf, NAMED_FROM, placeOf, shortId, type Geometry,
} from "./geometry";
import { windowOf, type Flow, type FlowEdge } from "./layout";
import { cursor, EDGES, hiddenKinds, laneServices, pick, room, rowA, rowB } from "./model";

const AROUND = 4;

export function Chart({ flow, width }: { flow: Flow; width: number }) {
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ left: 0, width: 1_200 });
  const geometry = geometryOf(width, flow.rowAt.length);

  useEffect(() => {
    const element = box.current!;
    const look = () => {
      setSeen({ left: element.scrollLeft, width: element.clientWidth });
      room.value = element.clientWidth - LABEL_PX;
    };
    const watch = new ResizeObserver(look);
    watch.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      watch.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);

  const wanted = stepRow.value >= 0 ? stepRow.value : cursor.value >= 0 ? cursor.value : rowA.value;
  useEffect(() => {
    const element = box.current!;
    if (wanted < 0) return;
    const { x } = placeOf(geometry, flow.column[wanted]!, 0);
    const room = element.clientWidth - LABEL_PX;
    if (x < element.scrollLeft || x + geometry.box > element.scrollLeft + room) {
      element.scrollLeft = Math.max(0, x - room / 2);
    }
  }, [wanted, geometry.column, flow]);

  const first = Math.max(0, Math.floor(seen.left / geometry.column) - AROUND);
  const last = Math.ceil((seen.left + seen.width) / geometry.column) + AROUND;
  const shown = windowOf(flow, first, last);
  const height = geometry.top * 2 + flow.lanes.length * geometry.lane;
  const total = flow.rowAt.length * geometry.column + LABEL_PX;
  return (
    <div class="flow-box" ref={box} tabIndex={-1}>
      <div class="flow-space" style={{ width: `${total}px`, height: `${height}px` }}>
        <Lanes flow={flow} geometry={geometry} />
        <svg
          class="flow-chart"
          role="group"
          aria-label="Spans in the order in which they began"
          style={{ left: `${first * geometry.column + LABEL_PX}px` }}
          width={(last - first) * geometry.column}
          height={height}
          viewBox={`${first * geometry.column} 0 ${(last - first) * geometry.column} ${height}`}
        >
          <Heads />
          {shown.edges.filter(isShown).map((edge) => (
            <EdgeOf
              key={`${edge.kind} ${edge.from} ${edge.to}`}
              edge={edge}
              flow={flow}
              geometry={geometry}
            />
          ))}
          {shown.rows.map((row) => (
            <BoxOf key={row} row={row} flow={flow} geometry={geometry} />
          ))}
        </svg>
      </div>
    </div>
  );
}

const LABEL_PX = 148;

function isShown({ kind, from, to }: FlowEdge): boolean {
  return !hiddenKinds.value.has(kind) && phaseOf(to) !== "ahead" && phaseOf(from) !== "ahead";
}

function Lanes({ flow, geometry }: { flow: Flow; geometry: Geometry }) {
  return (
    <div class="flow-lanes" style={{ paddingTop: `${geometry.top}px` }}>
      {flow.lanes.map(({ name, count }, lane) => (
        <div key={name} class="flow-lane" style={{ height: `${geometry.lane}px` }}>
          <span
            class="flow-lane-name"
            style={{ width: `${LABEL_PX}px` }}
            title={[laneServices.value[lane], name].filter(Boolean).join(" · ")}
          >
            <span class="flow-lane-what">
              {laneServices.value[lane] && <span>{laneServices.value[lane]}</span>}
              <span>{shortId(name)}</span>
            </span>
            <small>{count}</small>
          </span>
        </div>
      ))}
    </div>
  );
}

const Heads = () => (
  <defs>
    {Object.keys(EDGES).map((kind) => (
      <marker
        key={kind}
        id={`head-${kind}`}
        class={`edge-head ${kind}`}
        viewBox="0 0 8 8"
        refX="7"
        refY="4"
        markerWidth="7"
        markerHeight="7"
        markerUnits="userSpaceOnUse"
        orient="auto"
      >
        <path d="M0 0L8 4L0 8z" />
      </marker>
    ))}
  </defs>
);

function EdgeOf({ edge, flow, geometry }: { edge: FlowEdge; flow: Flow; geometry: Geometry }) {
  const { from, to, kind } = edge;
  const start = placeOf(geometry, flow.column[from]!, flow.lane[from]!);
  const end = placeOf(geometry, flow.column[to]!, flow.lane[to]!);
  const asked = [rowA.value, rowB.value];
  const near = asked.includes(from) || asked.includes(to);
  const head = kind in EDGES ? kind : "link";
  return (
    <path
      class={`edge ${head}${near ? " near" : ""}`}
      d={curve(geometry, start, end)}
      marker-end={`url(#head-${head})`}
    />
  );
}

/** How a span stands, beside its colour. */
const SIGNS: Readonly<Record<string, string>> = { error: "! ", abandoned: "× ", open: "… " };

function BoxOf({ row, flow, geometry }: { row: number; flow: Flow; geometry: Geometry }) {
  const trace = skeleton.value!;
  const { x, y } = placeOf(geometry, flow.column[row]!, flow.lane[row]!);
  const letter = rowA.value === row ? "A" : rowB.value === row ? "B" : "";
  const phase = phaseOf(row);
  const ahead = phase === "ahead";
  const name = ahead ? "not begun" : trace.text(trace.name, row);
  const about = ahead ? "" : `, ${aboutOf(trace, row, Infinity)}`;
  const stands = phase === "over" ? stateOf(trace, row) : ahead ? "" : "open";
  const stood = stands === "" ? "" : `, ${stands}`;
  const classes = ["node", phase, stands, letter && "picked"];
  if (cursor.value === row) classes.push("cursor");
  if (stepRow.value === row) classes.push("playing");
  return (
    <g
      class={classes.filter(Boolean).join(" ")}
      role="button"
      tabIndex={cursor.value === row || letter === "A" ? 0 : -1}
      aria-pressed={letter !== ""}
      aria-label={`${name}${about}${stood}${letter && `, ${letter}`}`}
      transform={`translate(${x} ${y - geometry.height / 2})`}
      onClick={() => pick(row)}
      data-row={row}
    >
      <title>{name}</title>
      <rect width={geometry.box} height={geometry.height} rx="4" />
      <rect
        class="node-kind"
        width="4"
        height={geometry.height}
        rx="2"
        style={{ fill: kindColour(ahead ? "" : trace.text(trace.aiKind, row)) }}
      />
      {geometry.column >= NAMED_FROM && !ahead && (
        <>
          <text x="10" y="13">
            {fitted(`${SIGNS[stands] ?? ""}${name}`, geometry.box - 14)}
          </text>
          <text class="node-about" x="10" y="26">
            {aboutOf(trace, row, geometry.box - 14)}
          </text>
        </>
      )}
      {letter !== "" && (
        <g class="letter" transform={`translate(${geometry.box - 2} 0)`}>
          <circle r="8" />
          <text text-anchor="middle">{letter}</text>
        </g>
      )}
    </g>
  );
}

function aboutOf(trace: Skeleton, row: number, width: number): string {
  const took = trace.duration[row]!;
  const running = phaseOf(row) === "running";
  const length = running ? "running" : took < 0 ? "open" : duration(took);
  const whole = `${length} · ${trace.text(trace.service, row)}`;
  return fitted(whole, width) === whole ? whole : length;
}

function stateOf(trace: Skeleton, row: number): string {
  if (trace.status[row] === STATUS_ERROR) return "error";
  if (trace.state[row] === STATE_OPEN) return "open";
  return trace.state[row] === STATE_ABANDONED ? "abandoned" : "";
}
