/** Causal flow: who did what after whom, and what says so. */

import { Loading, Notice } from "../../components/notice";
import { useKeys } from "../../keys";
import { set } from "../../state/route";
import { skeleton } from "../../state/trace";
import { Chart } from "./chart";
import {
  columnWidth,
  cursor,
  EDGES,
  edgeCounts,
  flow,
  hiddenKinds,
  laneBy,
  LANES,
  pick,
  rowA,
  swap,
  toggleKind,
} from "./model";
import { WIDTHS } from "./geometry";
import { Side } from "./side";
import "../common.css";
import "./flow.css";

function zoom(by: number): void {
  const now = columnWidth.value;
  const next =
    by > 0 ? WIDTHS.find((width) => width > now) : WIDTHS.findLast((width) => width < now);
  if (next !== undefined) set({ w: next });
}

function nextLanes(): void {
  set({ lanes: LANES[(LANES.indexOf(laneBy.value) + 1) % LANES.length]! });
}

/** Moves the cursor to the next column, or to the nearest box in another lane. */
function move(columns: number, lanes: number): void {
  const { column, rowAt, lane } = flow.value!;
  if (rowAt.length === 0) return;
  const from = cursor.value >= 0 ? cursor.value : Math.max(0, rowA.value);
  if (columns !== 0) {
    cursor.value = rowAt[Math.max(0, Math.min(column[from]! + columns, rowAt.length - 1))]!;
    return;
  }
  const wanted = lane[from]! + lanes;
  for (let away = 1; away < rowAt.length; away += 1) {
    for (const place of [column[from]! - away, column[from]! + away]) {
      const row = rowAt[place];
      if (row !== undefined && lane[row] === wanted) {
        cursor.value = row;
        return;
      }
    }
  }
}

export default function FlowView() {
  useKeys("Causal flow", () => [
    { keys: ["ArrowRight"], does: "Next span", run: () => move(1, 0) },
    { keys: ["ArrowLeft"], does: "Span before", run: () => move(-1, 0) },
    { keys: ["ArrowDown"], does: "Nearest span in the lane below", run: () => move(0, 1) },
    { keys: ["ArrowUp"], does: "Nearest span in the lane above", run: () => move(0, -1) },
    {
      keys: ["Enter"],
      does: "Ask about this span: first A, then B",
      run: () => cursor.value >= 0 && pick(cursor.value),
    },
    { keys: ["x"], does: "A and B change places", run: swap },
    { keys: ["l"], does: "Lanes by process, agent, service, node or kind", run: nextLanes },
    { keys: ["+", "="], does: "Wider columns", run: () => zoom(1) },
    { keys: ["-"], does: "Narrower columns", run: () => zoom(-1) },
  ]);
  const trace = skeleton.value;
  if (trace === null) return <Loading what="Loading the trace…" />;
  if (trace.count === 0) return <Notice title="The trace has no spans" />;
  return (
    <div class="flow-view">
      <div class="flow-main">
        <Toolbar />
        <Chart flow={flow.value!} width={columnWidth.value} />
      </div>
      <Side />
    </div>
  );
}

function Toolbar() {
  return (
    <div class="flow-bar">
      <div class="segmented" role="group" aria-label="Lanes by">
        {LANES.map((by) => (
          <button
            key={by}
            type="button"
            aria-pressed={laneBy.value === by}
            onClick={() => set({ lanes: by })}
          >
            {by}
          </button>
        ))}
      </div>
      <div class="flow-kinds" role="group" aria-label="Edges that are shown">
        {Object.keys(EDGES)
          .filter((kind) => edgeCounts.value.has(kind))
          .map((kind) => (
            <button
              key={kind}
              type="button"
              class="flow-kind"
              aria-pressed={!hiddenKinds.value.has(kind)}
              title={`The first ${EDGES[kind]} the second`}
              onClick={() => toggleKind(kind)}
            >
              <svg width="26" height="8" aria-hidden="true">
                <line class={`edge ${kind}`} x1="1" y1="4" x2="25" y2="4" />
              </svg>
              {kind.replace("_", " ")}{" "}
              <span class="section-count">{edgeCounts.value.get(kind)}</span>
            </button>
          ))}
      </div>
      <span class="spring" />
      <button type="button" class="small" aria-label="Narrower columns" onClick={() => zoom(-1)}>
        −
      </button>
      <button type="button" class="small" aria-label="Wider columns" onClick={() => zoom(1)}>
        +
      </button>
    </div>
  );
}
