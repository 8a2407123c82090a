/** The playhead's place in the open trace, as all views share it. */

import { computed } from "@preact/signals";
import { param, set, step } from "../../state/route";
import { skeleton } from "../../state/trace";
import type { SpanDetail } from "../../shapes";
import { asOf, isBy } from "./as_of";
import { momentsOf, phase, type Clockwork, type Moments, type Phase } from "./moments";
import { sceneAt, type Roles, type Scene } from "./scene";
import { sumsOf, type Sums } from "./sums";
import { HAS_STATE, IS_AGGREGATE, STATUS_ERROR } from "../../state/skeleton";

export const clockwork = computed<Clockwork>(() => (param("by") === "log" ? "log" : "clock"));

/** The moments of the open trace by the clocks; null while there is none. */
export const clockMoments = computed<Moments | null>(() => {
  const trace = skeleton.value;
  return trace === null ? null : momentsOf(trace, "clock");
});

/** The moments of the open trace in the chosen order; null while there is none. */
export const moments = computed<Moments | null>(() => {
  const trace = skeleton.value;
  if (trace === null || clockwork.value === "clock") return clockMoments.value;
  return momentsOf(trace, "log");
});

/** How many moments have passed; null while the playhead is off. */
export const passed = computed<number | null>(() => {
  // While it is off the moments of a large trace need not be put in order.
  if (step.value === null || moments.value === null) return null;
  return Math.min(step.value, moments.value.count);
});

/** Index of the last moment that passed; -1 while the playhead is off or before the first. */
const last = computed(() => (passed.value ?? 0) - 1);

/** Row of the last moment that passed; -1 for none. */
export const stepRow = computed(() => (last.value < 0 ? -1 : moments.value!.row[last.value]!));

/** When that moment was, in microseconds after the trace's start; null while it is off. */
export const stepUs = computed<number | null>(() => {
  if (passed.value === null) return null;
  return last.value < 0 ? 0 : moments.value!.timeUs[last.value]!;
});

/** Returns how far a row has come; all are over while the playhead is off. */
export function phaseOf(row: number): Phase {
  const at = passed.value;
  return at === null || row < 0 ? "over" : phase(moments.value!, row, at);
}

/** Returns `phaseOf` as it is now, for walks over all rows: it reads no signal. */
export function phasesNow(): (row: number) => Phase {
  const at = passed.value;
  const all = moments.value;
  return at === null || all === null ? () => "over" : (row) => phase(all, row, at);
}

/** Returns what is known of the span of a row, as it stood at the playhead's moment. */
export function stoodThen(detail: SpanDetail, row: number): SpanDetail {
  if (passed.value === null || row < 0) return detail;
  const all = moments.value!;
  const trace = skeleton.value!;
  // A clock that is behind its parent's was put right by this much.
  const shiftUs = clockwork.value === "log" ? 0 : all.timeUs[all.beginsAt[row]!]! - trace.start[row]!;
  const nowNs = trace.startNs + BigInt(Math.round((stepUs.value! - shiftUs) * 1_000));
  if (phaseOf(row) !== "over") return asOf(detail, nowNs);
  return { ...detail, logs: detail.logs.filter((log) => isBy(log["time_ns"], nowNs)) };
}

const isOn = computed(() => step.value !== null);

const sums = computed<((step: number) => Sums) | null>(() => {
  const trace = skeleton.value;
  if (trace === null || !isOn.value || moments.value === null) return null;
  return sumsOf(
    {
      count: trace.count,
      failed: (row) => trace.status[row] === STATUS_ERROR,
      counts: (row) => (trace.flags[row]! & IS_AGGREGATE) === 0,
      tokensIn: trace.tokensIn,
      tokensOut: trace.tokensOut,
      cost: trace.cost,
    },
    moments.value,
  );
});

/** What of the open trace had been told by the playhead's moment; null while it is off. */
export const told = computed<Sums | null>(() =>
  passed.value === null ? null : (sums.value?.(passed.value) ?? null),
);

/** Tells what each row of the open trace is in a conversation. */
export const roles: Roles = {
  isCall: (row) => kindAt(row) === "llm",
  isTool: (row) => kindAt(row) === "tool",
  hasState: (row) => ((skeleton.value?.flags[row] ?? 0) & HAS_STATE) !== 0,
};

function kindAt(row: number): string {
  const trace = skeleton.value;
  return trace === null ? "" : trace.text(trace.aiKind, row);
}

/** What stands on the stage now; null while the playhead is off. */
export const scene = computed<Scene | null>(() => {
  const at = passed.value;
  return at === null ? null : sceneAt(moments.value!, roles, at);
});

/** Goes to a step and selects the span whose moment it is; null takes the playhead off. */
export function goTo(to: number | null): void {
  const all = moments.value;
  if (to === null || all === null) {
    set({ step: null });
    return;
  }
  const at = Math.max(0, Math.min(to, all.count));
  const row = at === 0 ? -1 : all.row[at - 1]!;
  set(row < 0 ? { step: at } : { step: at, span: skeleton.value!.spanId[row]! });
}
