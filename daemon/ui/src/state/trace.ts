/** The trace that is open, and the span that is selected in it; every view reads them here. */

import { computed, effect, signal, type Signal } from "@preact/signals";
import { ApiError, follow, returns, skeletonOf, spanOf, traces, type SpanDetail } from "../api";
import { tick } from "./clock";
import { selectedSpan, set, traceId } from "./route";
import { settling } from "./settle";
import { Skeleton } from "./skeleton";

/** Something that is fetched. */
export type Load<T> =
  | { state: "idle" }
  | { state: "loading"; old: T | null }
  | { state: "ready"; value: T }
  | { state: "failed"; error: ApiError; old: T | null };

/** What was fetched last; null before. It stays while it is fetched anew. */
export function valueOf<T>(load: Load<T>): T | null {
  if (load.state === "ready") return load.value;
  return load.state === "idle" ? null : load.old;
}

export const skeletonLoad = signal<Load<Skeleton>>({ state: "idle" });
export const spanLoad = signal<Load<SpanDetail>>({ state: "idle" });
const attempts = signal(0);
/** True while the daemon sends what is new of the open trace. */
export const live = signal(false);

export const skeleton = computed(() => valueOf(skeletonLoad.value));
export const spanDetail = computed(() => valueOf(spanLoad.value));

/** Row of the selected span; -1 for none. */
export const selectedRow = computed(() => skeleton.value?.rowOf(selectedSpan.value) ?? -1);
/** Selects the span of a row; -1 selects none. */
export function select(row: number): void {
  const trace = skeleton.value;
  set({ span: trace && row >= 0 ? trace.spanId[row]! : null });
}

/**
 * Fetches into a signal, keeping what is there until the new is here.
 *
 * @returns Stops it; nothing is written afterwards.
 */
export function fetchInto<T>(
  into: Signal<Load<T>>,
  fetch: (signal: AbortSignal) => Promise<T>,
  keep: boolean,
): () => void {
  const abort = new AbortController();
  const old = keep ? valueOf(into.peek()) : null;
  into.value = { state: "loading", old };
  fetch(abort.signal).then(
    (value) => {
      if (!abort.signal.aborted) into.value = { state: "ready", value };
    },
    (error: unknown) => {
      if (abort.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      // What is no longer there, because it was redacted or trimmed, is shown no longer.
      const gone = error.status === 404 || error.status === 410;
      into.value = { state: "failed", error, old: gone ? null : old };
    },
  );
  return () => abort.abort();
}

const REFRESH_MS_MIN = 200;
// A held key steps on every 30 ms or so; a running playhead takes 60 ms at least.
const STEP_MS = 50;

/** Keeps the open trace fresh: fetches it, follows what the daemon says is new of it. */
function followTrace(id: string): () => void {
  let stop = fetchInto(skeletonLoad, fetchSkeleton, false);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let fetchedAt = Date.now();
  let dropped = false;
  const abort = new AbortController();

  async function fetchSkeleton(signal: AbortSignal): Promise<Skeleton> {
    return new Skeleton(await skeletonOf(id, signal));
  }
  function refresh(): void {
    timer = undefined;
    fetchedAt = Date.now();
    stop();
    stop = fetchInto(skeletonLoad, fetchSkeleton, true);
  }
  function changed(): void {
    const size = skeleton.peek()?.count ?? 0;
    // A trace of 100,000 spans costs more to fetch than one of ten.
    const pause = Math.max(REFRESH_MS_MIN, size / 50);
    timer ??= setTimeout(refresh, Math.max(0, fetchedAt + pause - Date.now()));
  }
  /** Nothing is sent of a trace that was redacted: this asks whether it is still there. */
  async function lookForIt(): Promise<void> {
    const open = skeleton.peek();
    if (open === null || open.count === 0) return;
    const query = { q: `trace:${open.traceId}`, limit: 1 };
    const page = await traces(query, abort.signal).catch(() => null);
    if (page !== null && page.index.state === "live" && page.traces.length === 0) changed();
  }
  void follow(
    { trace_id: id },
    {
      event: (event) => {
        if (event.type === "heartbeat") void lookForIt();
        if (event.type === "spans" || event.type === "trace" || event.type === "open") changed();
      },
      state: (connected) => {
        // What came while the connection was away may have been told to nobody.
        if (connected && dropped) changed();
        dropped = !connected;
        live.value = connected;
      },
    },
    abort.signal,
  );
  return () => {
    abort.abort();
    clearTimeout(timer);
    stop();
    live.value = false;
  };
}

/** Fetches the open trace again. */
export function refetch(): void {
  attempts.value += 1;
}

/** Starts to keep `skeleton` and `spanDetail` as the route says. */
export function start(): void {
  effect(() => {
    void attempts.value;
    const id = traceId.value;
    if (id === null) {
      skeletonLoad.value = { state: "idle" };
      return undefined;
    }
    return followTrace(id);
  });
  const openCount = computed(() => skeleton.value?.openCount ?? 0);
  const isOpen = computed(() => openCount.value > 0);
  effect(() => (isOpen.value ? tick() : undefined));

  // A span that is open is another document once it has ended.
  const place = computed(() => {
    const row = selectedRow.value;
    const state = row < 0 ? "" : String(skeleton.value?.state[row]);
    return traceId.value && selectedSpan.value
      ? `${traceId.value} ${selectedSpan.value} ${state}`
      : "";
  });
  let last = "";
  const settled = settling(STEP_MS);
  effect(() => {
    if (!place.value) {
      spanLoad.value = { state: "idle" };
      last = "";
      return undefined;
    }
    void returns.value;
    const [trace, span] = place.value.split(" ") as [string, string];
    const same = last === `${trace} ${span}`;
    last = `${trace} ${span}`;
    const before = spanLoad.peek();
    const empty = before.state === "loading" && before.old === null;
    // Nothing of another span stands there while this one is waited for.
    if (!same && !empty) spanLoad.value = { state: "loading", old: null };
    return settled(() => fetchInto(spanLoad, (signal) => spanOf(span, trace, signal), same));
  });
}
