/** Where the page is. The address bar holds all of it, so that a copied link shows the same. */

import { computed, signal } from "@preact/signals";

export interface Route {
  /** The trace that is open; null on the list. */
  readonly traceId: string | null;
  readonly params: ReadonlyMap<string, string>;
}

/** Reads a route from an address of this page. */
export function parse(path: string, search: string): Route {
  const trace = /^\/t\/([^/]+)\/?$/.exec(path);
  return {
    traceId: trace ? decodeURIComponent(trace[1]!) : null,
    params: new Map(new URLSearchParams(search)),
  };
}

/** Writes a route as an address; `parse` gives it back. */
export function format(to: Route): string {
  const path = to.traceId === null ? "/" : `/t/${encodeURIComponent(to.traceId)}`;
  const search = new URLSearchParams([...to.params].filter(([, value]) => value !== ""));
  const text = search.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text ? `${path}?${text}` : path;
}

export const route = signal<Route>({ traceId: null, params: new Map() });

/** The value of one parameter; empty when it is absent. */
export const param = (name: string): string => route.value.params.get(name) ?? "";

export const traceId = computed(() => route.value.traceId);
export const view = computed(() => param("view") || "waterfall");
/** Id of the selected span; empty for none. */
export const selectedSpan = computed(() => param("span"));
/** Id of the span that the selected one is compared with; empty for none. */
export const comparedSpan = computed(() => param("b"));
/** The step of the playhead, from 1 in the order of the record; null while it is off. */
export const step = computed(() => {
  const text = param("step");
  return /^\d{1,9}$/.test(text) ? Number(text) : null;
});

type How = "push" | "replace";

// Browsers refuse a page that changes its address more than some 100 times in 30 seconds, which
// a playhead that runs would do: after so many changes in a row one waits for its turn.
const CHANGES_AT_ONCE = 20;
const CHANGE_MS = 400;
let changesLeft = CHANGES_AT_ONCE;
let changedAt = 0;
let waiting: ReturnType<typeof setTimeout> | undefined;

/** Writes the route into the address bar, now or when it is its turn. */
function write(): void {
  const now = performance.now();
  changesLeft = Math.min(CHANGES_AT_ONCE, changesLeft + (now - changedAt) / CHANGE_MS);
  changedAt = now;
  if (changesLeft < 1) {
    waiting ??= setTimeout(writeNow, (1 - changesLeft) * CHANGE_MS);
    return;
  }
  writeNow();
}

function writeNow(): void {
  clearTimeout(waiting);
  waiting = undefined;
  changesLeft -= 1;
  history.replaceState(null, "", format(route.peek()));
}

function show(to: Route, how: How): void {
  const target = format(to);
  if (target === format(route.peek())) return;
  if (how === "push") {
    if (waiting !== undefined) writeNow();
    history.pushState(null, "", target);
  }
  route.value = to;
  if (how === "replace") write();
}

/** Goes to the list, or to a trace, with these parameters alone. */
export function go(trace: string | null, params: Record<string, string> = {}): void {
  show({ traceId: trace, params: new Map(Object.entries(params)) }, "push");
}

/**
 * Sets parameters and keeps the others; an empty value or null removes one.
 *
 * @param how `push` for what the Back button should undo, `replace` for what moves often.
 */
export function set(changes: Record<string, string | number | null>, how: How = "replace"): void {
  const params = new Map(route.value.params);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") params.delete(name);
    else params.set(name, String(value));
  }
  show({ traceId: route.value.traceId, params }, how);
}

/** Names the open trace otherwise, in the same place. */
export function replaceTrace(trace: string): void {
  show({ traceId: trace, params: route.value.params }, "replace");
}

/** Reads the address bar, now and whenever the browser goes back or forward. */
export function start(): void {
  const read = () => {
    clearTimeout(waiting);
    waiting = undefined;
    route.value = parse(location.pathname, location.search);
  };
  addEventListener("popstate", read);
  read();
}
