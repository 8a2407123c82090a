/** Steps of a trace beside a view: a windowed list of rows, of which one is selected. */

import { useEffect, useRef, useState } from "preact/hooks";
import { duration } from "../lib/format";
import { kindColour } from "../lib/kinds";
import { STATUS_ERROR } from "../state/skeleton";
import { skeleton } from "../state/trace";
import { phaseOf, stepRow } from "./playhead/stage";
import "./common.css";
import "./rail.css";

interface Props {
  readonly title: string;
  readonly rows: readonly number[];
  readonly selected: number;
  readonly onSelect: (row: number) => void;
}

const LINE_PX = 36;
const AROUND = 8;

export function Rail({ title, rows, selected, onSelect }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const at = rows.indexOf(selected);

  useEffect(() => {
    const element = box.current!;
    const seen = () => setView({ top: element.scrollTop, height: element.clientHeight });
    const watch = new ResizeObserver(seen);
    watch.observe(element);
    element.addEventListener("scroll", seen, { passive: true });
    return () => {
      watch.disconnect();
      element.removeEventListener("scroll", seen);
    };
  }, []);

  useEffect(() => {
    const element = box.current!;
    const top = at * LINE_PX;
    if (
      at < 0 ||
      (top >= element.scrollTop && top + LINE_PX <= element.scrollTop + element.clientHeight)
    )
      return;
    element.scrollTop = Math.max(0, top - element.clientHeight / 2);
  }, [at]);

  const first = Math.max(0, Math.floor(view.top / LINE_PX) - AROUND);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / LINE_PX) + AROUND);
  return (
    <nav class="rail" aria-label={title}>
      <h2>
        {title} <span class="section-count">{rows.length}</span>
      </h2>
      <div class="rail-box" ref={box}>
        <div style={{ height: `${rows.length * LINE_PX}px`, position: "relative" }}>
          {rows.slice(first, last).map((row, index) => (
            <Step
              key={row}
              row={row}
              top={(first + index) * LINE_PX}
              current={row === selected}
              onSelect={onSelect}
            />
          ))}
        </div>
      </div>
    </nav>
  );
}

interface StepProps {
  readonly row: number;
  readonly top: number;
  readonly current: boolean;
  readonly onSelect: (row: number) => void;
}

function Step({ row, top, current, onSelect }: StepProps) {
  const trace = skeleton.value!;
  const kind = trace.text(trace.aiKind, row);
  const phase = phaseOf(row);
  const failed = phase === "over" && trace.status[row] === STATUS_ERROR;
  const about =
    // The model is known by its answer.
    (phase === "over" && trace.text(trace.model, row)) ||
    trace.text(trace.tool, row) || trace.text(trace.service, row);
  const took = trace.duration[row]!;
  const stands = failed ? "error" : took < 0 ? "open" : duration(took);
  return (
    <button
      type="button"
      class={`rail-step ${phase}${stepRow.value === row ? " playing" : ""}`}
      style={{ top: `${top}px` }}
      aria-current={current}
      onClick={() => onSelect(row)}
    >
      <span
        class="dot"
        style={{ background: kindColour(phase === "ahead" ? "" : kind) }}
        aria-hidden="true"
      />
      {phase === "ahead" ? (
        <span class="rail-name">not begun</span>
      ) : (
        <>
          <span class="rail-name" title={trace.text(trace.name, row)}>
            {trace.text(trace.name, row)}
          </span>
          <span class="rail-about">
            <span>{[kind, about].filter(Boolean).join(" · ")}</span>
            <span class={failed ? "rail-failed" : ""}>
              {phase === "running" ? "running" : stands}
            </span>
          </span>
        </>
      )}
    </button>
  );
}
