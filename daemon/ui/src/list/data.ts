/** The traces of the list: a first page, further ones, and what arrives while one looks. */

import { computed, effect, signal, untracked } from "@preact/signals";
import { ApiError, follow, strip as fetchStrip, traces, type Strip, type TracePage, type TraceRow } from "../api";
import { param, traceId } from "../state/route";
import { fetchInto, valueOf, type Load } from "../state/trace";
import { arrive, merge, type Listing } from "./arrivals";

const PAGE = 50;
const STRIP_BUCKETS = 60;
const STRIP_REFRESH_MS = 2_000;
const ROWS_MAX = 2_000;
const DEFAULT_SORT = "-start";

export const q = computed(() => param("q"));
export const sort = computed(() => param("sort") || DEFAULT_SORT);

export const listLoad = signal<Load<TracePage>>({ state: "idle" });
export const listing = signal<Listing>({ rows: [], fresh: [] });
export const stripLoad = signal<Load<Strip>>({ state: "idle" });
export const live = signal(false);
/** True while somebody points at a row or has scrolled: rows then stay where they are. */
export const held = signal(false);
export const more = signal<string | null>(null);
export const moreFailed = signal<ApiError | null>(null);
export const retries = signal(0);

export const strip = computed(() =>
  stripLoad.value.state === "failed" ? null : valueOf(stripLoad.value),
);

/** How many traces match, as the strip counts them; null until it has. */
export const matching = computed(() => {
  const counted = strip.value;
  return counted === null ? null : counted.traces.reduce((all, one) => all + one, 0);
});

let fetchingMore = false;

/** Fetches the next page, where there is one. */
export async function fetchMore(): Promise<void> {
  const after = more.peek();
  if (after === null || fetchingMore) return;
  fetchingMore = true;
  const of = `${q.peek()} ${sort.peek()}`;
  try {
    const page = await traces({ q: q.peek(), sort: sort.peek(), limit: PAGE, after });
    if (of !== `${q.peek()} ${sort.peek()}`) return;
    const { rows, fresh } = listing.peek();
    const there = new Set(rows.map((row) => row.trace_id));
    const further = page.traces.filter((row) => !there.has(row.trace_id));
    listing.value = { rows: [...rows, ...further], fresh };
    more.value = page.next;
    moreFailed.value = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    moreFailed.value = error;
  } finally {
    fetchingMore = false;
  }
}

/** Puts what waits at its place in the list. */
export function showFresh(): void {
  if (sort.peek() === DEFAULT_SORT) listing.value = merge(listing.peek());
  else retries.value += 1;
}

function keepStrip(query: string): { changed: () => void; stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const fetch = (signal: AbortSignal) => fetchStrip(query, STRIP_BUCKETS, signal);
  let stop = fetchInto(stripLoad, fetch, true);
  return {
    changed() {
      timer ??= setTimeout(() => {
        timer = undefined;
        stop();
        stop = fetchInto(stripLoad, fetch, true);
      }, STRIP_REFRESH_MS);
    },
    stop() {
      clearTimeout(timer);
      stop();
    },
  };
}

function keepList(query: string, order: string): () => void {
  const abort = new AbortController();
  const kept = keepStrip(query);
  const stop = fetchInto(
    listLoad,
    async (signal) => {
      const page = await traces({ q: query, sort: order, limit: PAGE }, signal);
      listing.value = { rows: page.traces, fresh: [] };
      more.value = page.next;
      moreFailed.value = null;
      void follow(
        { q: query, after: page.position },
        {
          event: (event) => {
            if (event.type !== "trace") return;
            const row = JSON.parse(event.data) as TraceRow;
            const show = order === DEFAULT_SORT && !held.peek();
            listing.value = arrive(listing.peek(), row, show);
            if (!held.peek() && listing.peek().rows.length > ROWS_MAX) retries.value += 1;
            kept.changed();
          },
          state: (connected) => (live.value = connected),
        },
        abort.signal,
      );
      return page;
    },
    true,
  );
  return () => {
    abort.abort();
    stop();
    kept.stop();
    live.value = false;
  };
}

let shown = "";

/** Keeps the list as the route says, until what is returned is called. */
export function keep(): () => void {
  const endList = effect(() => {
    void retries.value;
    if (traceId.value !== null) return undefined;
    const of = `${sort.value} ${q.value}`;
    if (of !== shown) {
      untracked(() => {
        listing.value = { rows: [], fresh: [] };
        listLoad.value = { state: "idle" };
        more.value = null;
      });
      shown = of;
    }
    return keepList(q.value, sort.value);
  });
  const endHeld = effect(() => {
    if (!held.value && sort.peek() === DEFAULT_SORT && listing.peek().fresh.length) showFresh();
  });
  return () => {
    endHeld();
    endList();
  };
}
