/** The rows of the list. */

import { computed, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { TraceRow } from "../api";
import { StatusSign } from "../components/status";
import { Failure, Loading, Notice } from "../components/notice";
import { useKeys } from "../keys";
import { compact, cost, count, day, duration, msOf, timeOfDay } from "../lib/format";
import { kindColour } from "../lib/kinds";
import { NothingYet } from "./nothing_yet";
import { nowMs } from "../state/clock";
import { format, go, set } from "../state/route";
import {
  fetchMore, held, listing, listLoad, more, moreFailed, q, retries, showFresh, sort,
} from "./data";

/** The row that the keys are on, by its trace; empty for none. */
const current = signal("");
/** Where the list stood when it was left. */
let scrolled = 0;

const FETCH_AHEAD_PX = 600;

const COLUMNS: readonly { name: string; title: string; sort?: string; number?: boolean }[] = [
  { name: "status", title: "" },
  { name: "start", title: "Started", sort: "start" },
  { name: "name", title: "Trace" },
  { name: "agent", title: "Agent, model" },
  { name: "duration", title: "Duration", sort: "dur", number: true },
  { name: "spans", title: "Spans", sort: "spans", number: true },
  { name: "calls", title: "LLM · tools", number: true },
  { name: "tokens", title: "Tokens in · out", sort: "tokens", number: true },
  { name: "cost", title: "Cost", sort: "cost", number: true },
  { name: "errors", title: "Errors", sort: "errors", number: true },
];

const today = computed(() => day(nowMs.value));
const longestUs = computed(() =>
  listing.value.rows.reduce((most, row) => Math.max(most, Number(row.duration_ns ?? 0) / 1e3), 1),
);

/** Opens a trace; the search stays in the address, for the way back. */
export function openTrace(id: string): void {
  go(id, q.value ? { q: q.value } : {});
}

function move(by: number): void {
  const { rows } = listing.value;
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.trace_id === current.value);
  const to = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
  current.value = rows[to]!.trace_id;
  if (to >= rows.length - 3) void fetchMore();
}

export function Table() {
  const body = useRef<HTMLDivElement>(null);
  useKeys("List", () => [
    { keys: ["j", "ArrowDown"], does: "Next trace", run: () => move(1) },
    { keys: ["k", "ArrowUp"], does: "Previous trace", run: () => move(-1) },
    { keys: ["Enter", "o"], does: "Open it", run: () => current.value && openTrace(current.value) },
    { keys: ["n"], does: "Show what is new", run: () => toTop(body.current) },
  ]);
  useEffect(() => {
    const box = body.current!;
    box.scrollTop = scrolled;
    return () => {
      held.value = false;
    };
  }, []);
  useEffect(() => {
    document.getElementById(`trace-${current.value}`)?.scrollIntoView({ block: "nearest" });
  }, [current.value]);
  const pointed = useRef(false);
  const hold = () => (held.value = pointed.current || (body.current?.scrollTop ?? 0) > 4);
  return (
    <div
      class="table-frame"
      onPointerEnter={() => {
        pointed.current = true;
        hold();
      }}
      onPointerLeave={() => {
        pointed.current = false;
        hold();
      }}
    >
      <Fresh box={() => body.current} />
      <div
        class="table"
        ref={body}
        onScroll={(event) => {
          const box = event.currentTarget;
          scrolled = box.scrollTop;
          hold();
          if (box.scrollTop + box.clientHeight > box.scrollHeight - FETCH_AHEAD_PX) void fetchMore();
        }}
      >
        <div role="table" aria-label="Traces">
          <Head />
          <div role="rowgroup">
            {listing.value.rows.map((row) => (
              <Row key={row.trace_id} row={row} />
            ))}
          </div>
        </div>
        <Foot />
      </div>
    </div>
  );
}

function toTop(box: HTMLElement | null): void {
  showFresh();
  if (box) box.scrollTop = 0;
}

function Fresh({ box }: { box: () => HTMLElement | null }) {
  const waiting = listing.value.fresh.length;
  return (
    <div class="fresh" aria-live="polite">
      {waiting > 0 && (
        <button type="button" onClick={() => toTop(box())}>
          {count(waiting)} new
        </button>
      )}
    </div>
  );
}

function Head() {
  const [name, down] = sort.value.startsWith("-") ? [sort.value.slice(1), true] : [sort.value, false];
  return (
    <div class="row head" role="row">
      {COLUMNS.map((column) => {
        const sorted = column.sort === name;
        const next = sorted && down ? column.sort! : `-${column.sort}`;
        return (
          <div
            key={column.name}
            role="columnheader"
            class={`cell ${column.name} ${column.number ? "number" : ""}`}
            aria-sort={sorted ? (down ? "descending" : "ascending") : undefined}
          >
            {column.sort ? (
              <button type="button" onClick={() => set({ sort: next === "-start" ? null : next }, "push")}>
                {column.title}
                <span aria-hidden="true" class="sort-sign">{sorted ? (down ? "↓" : "↑") : ""}</span>
              </button>
            ) : (
              column.title
            )}
          </div>
        );
      })}
    </div>
  );
}

function Row({ row }: { row: TraceRow }) {
  const href = format({ traceId: row.trace_id, params: new Map(q.value ? [["q", q.value]] : []) });
  const start = msOf(row.start_ns);
  const services = row.services.length > 1 ? row.services.join(", ") : row.service;
  const who = [...row.agents, ...row.models].join(", ");
  return (
    <div
      id={`trace-${row.trace_id}`}
      class={`row ${row.trace_id === current.value ? "current" : ""}`}
      role="row"
      data-trace={row.trace_id}
    >
      <div role="cell" class="cell status-cell"><StatusSign status={row.status} /></div>
      <div role="cell" class="cell start" title={`${day(start)} ${timeOfDay(start)}`}>
        {day(start) === today.value ? timeOfDay(start) : `${day(start).slice(5)} ${timeOfDay(start).slice(0, 8)}`}
      </div>
      <div role="cell" class="cell name" title={`${row.name || "unnamed"} · ${services}`}>
        <a
          class="trace-name"
          href={href}
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            openTrace(row.trace_id);
          }}
        >
          {row.name || "unnamed"}
        </a>
        <span class="quiet">{services}</span>
        {row.match && <span class="match" title={row.match}>{row.match}</span>}
      </div>
      <div role="cell" class="cell agent" title={who || undefined}>
        {row.agents.length > 0 && <span>{row.agents.join(", ")}</span>}
        <span class="quiet">{row.models.join(", ")}</span>
      </div>
      <div role="cell" class="cell duration number"><Duration row={row} /></div>
      <div role="cell" class="cell spans number">{count(row.span_count)}</div>
      <div role="cell" class="cell calls number">
        {row.llm_count + row.tool_count > 0 && (
          <>
            <i class="dot" style={{ background: kindColour("llm") }} />{compact(row.llm_count)}{" "}
            <i class="dot" style={{ background: kindColour("tool") }} />{compact(row.tool_count)}
          </>
        )}
      </div>
      <div role="cell" class="cell tokens number">
        {row.tokens_in + row.tokens_out > 0 && (
          <>{compact(row.tokens_in)} <span class="quiet">·</span> {compact(row.tokens_out)}</>
        )}
      </div>
      <div role="cell" class="cell cost number">{row.cost_usd === null ? "" : cost(row.cost_usd)}</div>
      <div role="cell" class={`cell errors number ${row.error_count ? "some" : ""}`}>
        {row.error_count > 0 ? count(row.error_count) : ""}
      </div>
    </div>
  );
}

function Duration({ row }: { row: TraceRow }) {
  if (row.status === "open") {
    const us = Math.max(0, nowMs.value - msOf(row.start_ns)) * 1e3;
    return <span class="open">{duration(us)}</span>;
  }
  if (row.status === "abandoned") {
    return <span class="quiet" title="It was abandoned: nobody knows when it ended">unknown</span>;
  }
  if (row.duration_ns === null) return <span class="quiet">{row.status}</span>;
  const us = Number(row.duration_ns) / 1e3;
  return (
    <>
      <span class="meter" aria-hidden="true">
        <i style={{ width: `${(us / longestUs.value) * 100}%` }} />
      </span>
      {duration(us)}
    </>
  );
}

function Foot() {
  const load = listLoad.value;
  const empty = listing.value.rows.length === 0;
  if (load.state === "failed" && empty) {
    if (load.error.status === 400) return <Notice title="The search is not understood">{load.error.message}</Notice>;
    return <Failure error={load.error} retry={() => (retries.value += 1)} />;
  }
  if (moreFailed.value) return <Failure error={moreFailed.value} retry={() => void fetchMore()} />;
  if (empty && load.state !== "ready") return <Loading what="Reading the index…" />;
  if (empty) return q.value ? <NothingFound /> : <NothingYet />;
  return <div class="table-end">{more.value === null ? "" : "Loading more…"}</div>;
}

function NothingFound() {
  return (
    <Notice title="No trace matches">
      <p>
        The search was <code>{q.value}</code>.
      </p>
      <button type="button" onClick={() => set({ q: null }, "push")}>Show all</button>
    </Notice>
  );
}
