/** Context explorer: each step of a run with all that went into it and came out of it. */

import { computed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Failure, Loading, Notice } from "../../components/notice";
import { useKeys } from "../../keys";
import { selectedRow, select, skeleton, spanLoad, valueOf } from "../../state/trace";
import { HAS_CONTENT } from "../../state/skeleton";
import { passed, phaseOf, scene } from "../playhead/stage";
import { useDetail } from "../details";
import { Rail } from "../rail";
import { SpanBody } from "./body";
import { SpanHead } from "./panel";
import { SideBySide } from "./exchange";
import "./context.css";

/** Rows with something to say: steps of AI and spans with content; all where there are none. */
const steps = computed<number[]>(() => {
  const trace = skeleton.value;
  if (trace === null) return [];
  const all = Array.from({ length: trace.count }, (_, row) => row);
  const telling = all.filter(
    (row) => trace.text(trace.aiKind, row) !== "" || (trace.flags[row]! & HAS_CONTENT) !== 0,
  );
  return telling.length > 0 ? telling : all;
});

/** The row that is shown: the selected one; with the playhead on, the call that was the last. */
const shownRow = computed(() => {
  const playing = scene.value;
  if (playing !== null && playing.call >= 0) return playing.call;
  return selectedRow.value >= 0 ? selectedRow.value : (steps.value[0] ?? -1);
});

function move(by: number): void {
  const at = steps.value.indexOf(shownRow.value);
  const to = steps.value[Math.max(0, Math.min(at + by, steps.value.length - 1))];
  if (to !== undefined) select(to);
}

export default function Context() {
  useKeys("Context", () => [
    { keys: ["n", "ArrowDown"], does: "Next step", run: () => move(1) },
    { keys: ["p", "ArrowUp"], does: "Step before", run: () => move(-1) },
  ]);
  const row = shownRow.value;
  // The selected span is at hand already.
  const own = useDetail(row === selectedRow.value ? -1 : row);
  const load = row === selectedRow.value ? spanLoad.value : own;
  useEffect(() => {
    // The address, and the command that is copied from it, name what is shown.
    if (selectedRow.peek() < 0 && row >= 0 && passed.peek() === null) select(row);
  }, [row]);
  if (skeleton.value === null) return <Loading what="Loading the trace…" />;
  if (row < 0) return <Notice title="The trace has no spans" />;
  const detail = valueOf(load);
  return (
    <div class="context-view">
      <Rail title="Steps" rows={steps.value} selected={row} onSelect={select} />
      <div class="context-main">
        {detail !== null ? (
          <>
            <SpanHead detail={detail} />
            <SpanBody key={row} detail={detail} />
            <Since />
          </>
        ) : load.state === "failed" ? (
          <Failure error={load.error} />
        ) : (
          <Loading what="Loading the span…" />
        )}
      </div>
    </div>
  );
}

/** With the playhead on: the tools that ran since the call that is shown. */
function Since() {
  // What the call itself asked for stands beside it.
  const asked = new Set(
    skeleton
      .value!.edges.filter((edge) => edge.kind === "tool_call" && edge.from === scene.value?.call)
      .map((edge) => edge.to),
  );
  const tools = (scene.value?.tools ?? []).filter((row) => !asked.has(row));
  if (tools.length === 0) return null;
  return (
    <section class="since" aria-label="Tools since then">
      <h3>Since then</h3>
      {tools.map((row) => (
        <ToolSince key={row} row={row} />
      ))}
    </section>
  );
}

function ToolSince({ row }: { row: number }) {
  const detail = valueOf(useDetail(row));
  const trace = skeleton.value!;
  const over = phaseOf(row) === "over";
  const span = trace.spanId[row]!;
  return (
    <SideBySide
      name={detail?.tool?.name ?? trace.text(trace.name, row)}
      callId={detail?.tool?.call_id ?? ""}
      row={row}
      args={detail?.tool?.arguments ?? null}
      argsSpan={span}
      result={over ? (detail?.tool?.result ?? undefined) : undefined}
      resultSpan={span}
      missing={over ? "no result recorded" : "running"}
    />
  );
}
