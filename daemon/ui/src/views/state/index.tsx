/** State diff: what a step changed in the program's state, or in what a model was given. */

import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { diffOf, type Diff } from "../../api";
import { Failure, Loading, Notice } from "../../components/notice";
import { useKeys } from "../../keys";
import { HAS_CONTENT, HAS_STATE } from "../../state/skeleton";
import { comparedSpan, param, set, traceId } from "../../state/route";
import { fetchInto, select, selectedRow, skeleton, valueOf, type Load } from "../../state/trace";
import { passed, phaseOf, roles, scene } from "../playhead/stage";
import { Rail } from "../rail";
import { Snapshots } from "./snapshots";
import { DiffOf } from "./diff";
import "../common.css";
import "../context/context.css";
import "./state.css";

type Of = "state" | "messages";

/** Rows that can be asked about: spans with snapshots, or calls of a model. */
const candidates = computed<Record<Of, number[]>>(() => {
  const trace = skeleton.value;
  const found: Record<Of, number[]> = { state: [], messages: [] };
  for (let row = 0; row < (trace?.count ?? 0); row += 1) {
    if ((trace!.flags[row]! & HAS_STATE) !== 0) found.state.push(row);
    if (roles.isCall(row)) found.messages.push(row);
  }
  return found;
});

/** What is asked about; where a run has no snapshots of state, its messages. */
const of = computed<Of>(() => {
  const asked = param("of");
  if (asked === "state" || asked === "messages") return asked;
  return candidates.value.state.length === 0 && candidates.value.messages.length > 0
    ? "messages"
    : "state";
});

const shownRow = computed(() => {
  const rows = candidates.value[of.value];
  const playing = scene.value;
  if (playing !== null) {
    const at = of.value === "state" ? playing.states[0]?.row : playing.call;
    if (at !== undefined && at >= 0) return at;
  }
  return rows.includes(selectedRow.value) ? selectedRow.value : (rows[0] ?? -1);
});

const diff = signal<Load<Diff>>({ state: "idle" });

function move(by: number): void {
  const rows = candidates.value[of.value];
  const to = rows[Math.max(0, Math.min(rows.indexOf(shownRow.value) + by, rows.length - 1))];
  if (to !== undefined) select(to);
}

export default function State() {
  useKeys("State", () => [
    { keys: ["n", "ArrowDown"], does: "Next step", run: () => move(1) },
    { keys: ["p", "ArrowUp"], does: "Step before", run: () => move(-1) },
    {
      keys: ["s"],
      does: "State or messages",
      run: () => set({ of: other(), against: null }, "push"),
    },
    { keys: ["a"], does: "Within the span, or since the one before", run: toggleAgainst },
  ]);
  const trace = skeleton.value;
  const row = shownRow.value;
  const span = trace !== null && row >= 0 ? trace.spanId[row]! : "";
  const over = row >= 0 && phaseOf(row) === "over";
  const against = againstOf(span);
  const alone = against === "previous" && row >= 0 && isFirst(row);
  useEffect(() => {
    // The address, and the command that is copied from it, name what is shown.
    if (passed.peek() !== null || row < 0) return;
    if (param("of") === "" && of.value === "messages") set({ of: "messages" });
    if (selectedRow.peek() !== row) select(row);
  }, [row, of.value]);
  useEffect(() => {
    if (span === "" || !over || alone) return undefined;
    return fetchInto(
      diff,
      (abort) => diffOf(span, traceId.peek() ?? "", of.peek(), against, abort),
      false,
    );
  }, [span, over, against, of.value, alone]);
  if (trace === null) return <Loading what="Loading the trace…" />;
  return (
    <div class="state-view">
      <Rail
        title={of.value === "state" ? "Snapshots of state" : "Calls of a model"}
        rows={candidates.value[of.value]}
        selected={row}
        onSelect={select}
      />
      <div class="state-main">
        <Choices />
        {row < 0 ? <Nothing /> : !over ? <Unfinished /> : alone ? <First /> : <Changed span={span} />}
        {row >= 0 && of.value === "state" && <Snapshots key={row} row={row} over={over} />}
      </div>
    </div>
  );
}

const other = (): Of => (of.value === "state" ? "messages" : "state");

function toggleAgainst(): void {
  if (of.value === "state") set({ against: param("against") === "previous" ? null : "previous" });
}

/** Returns what a span is compared with: the span `b`, the one before, or nothing for itself. */
function againstOf(span: string): string {
  if (comparedSpan.value !== "" && comparedSpan.value !== span && param("against") === "b")
    return comparedSpan.value;
  return of.value === "messages" || param("against") === "previous" ? "previous" : "";
}

function Changed({ span }: { span: string }) {
  const load = diff.value;
  const found = valueOf(load);
  if (load.state === "failed") {
    return load.error.status === 404 ? (
      <Notice title="There is nothing to compare with">
        <p>{load.error.message}</p>
      </Notice>
    ) : (
      <Failure error={load.error} />
    );
  }
  return found === null ? <Loading what="Comparing…" /> : <DiffOf diff={found} span={span} />;
}

/** Whether nothing was recorded before a row that it could be compared with. */
function isFirst(row: number): boolean {
  const trace = skeleton.value!;
  const earlier = (one: number) => trace.order[one]! < trace.order[row]!;
  if (of.value === "state") return !candidates.value.state.some(earlier);
  const spoke = (one: number) => (trace.flags[one]! & HAS_CONTENT) !== 0;
  return !candidates.value.messages.some((one) => earlier(one) && spoke(one));
}

const First = () => (
  <Notice title={of.value === "state" ? "This is the first snapshot" : "This is the first call"}>
    <p>
      {of.value === "state"
        ? "No other span of the trace has one that was recorded before it."
        : "No call of a model was recorded before it. What it was given and answered is in its context."}
    </p>
    {of.value === "messages" && (
      <button type="button" onClick={() => set({ view: "context" }, "push")}>Show its context</button>
    )}
  </Notice>
);

const Unfinished = () => (
  <p class="as-of">At this step the span had not ended: what it changed is not known yet.</p>
);

function Nothing() {
  return of.value === "state" ? (
    <Notice title="No snapshots of state in this trace">
      <p>
        A program takes one with <code>span.state("memory", value)</code>, before and after its
        work.
      </p>
    </Notice>
  ) : (
    <Notice title="No call of a model in this trace">
      <p>Messages are compared between the calls of a model.</p>
    </Notice>
  );
}

function Choices() {
  const choose = (to: Of) => set({ of: to, against: null }, "push");
  const since = param("against") === "previous";
  return (
    <div class="choices">
      <div class="segmented" role="group" aria-label="What is compared">
        <button type="button" aria-pressed={of.value === "state"} onClick={() => choose("state")}>
          State
        </button>
        <button
          type="button"
          aria-pressed={of.value === "messages"}
          onClick={() => choose("messages")}
        >
          Messages
        </button>
      </div>
      {of.value === "state" && (
        <div class="segmented" role="group" aria-label="Compared with">
          <button type="button" aria-pressed={!since} onClick={() => set({ against: null })}>
            Before and after the span
          </button>
          <button type="button" aria-pressed={since} onClick={() => set({ against: "previous" })}>
            Since the snapshot before
          </button>
        </div>
      )}
    </div>
  );
}
