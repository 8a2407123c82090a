/** Details of spans beside the selected one, each fetched once. */

import { signal, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { spanOf, type SpanDetail } from "../api";
import { traceId } from "../state/route";
import { fetchInto, skeleton, type Load } from "../state/trace";

const KEPT_MAX = 64;

const kept = new Map<string, Signal<Load<SpanDetail>>>();

/** Returns what is known of the span of a row, and fetches it; idle for -1. */
export function useDetail(row: number): Load<SpanDetail> {
  const trace = skeleton.value;
  const span = trace !== null && row >= 0 ? trace.spanId[row]! : "";
  // An open span is another document once it has ended.
  const key = span === "" ? "" : `${traceId.value} ${span} ${trace!.state[row]}`;
  const found = useMemo(() => entryOf(key), [key]);
  useEffect(() => {
    const now = found.peek();
    if (key === "" || now.state === "ready") return undefined;
    return fetchInto(found, (abort) => spanOf(span, traceId.peek() ?? "", abort), false);
  }, [key, found]);
  return found.value;
}

function entryOf(key: string): Signal<Load<SpanDetail>> {
  const entry = kept.get(key) ?? signal<Load<SpanDetail>>({ state: "idle" });
  if (key === "") return entry;
  // The one that was asked for last goes last.
  kept.delete(key);
  kept.set(key, entry);
  if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value!);
  return entry;
}
