/** What a trace is, in one line. */

import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { traces, type TraceRow } from "../api";
import { StatusSign } from "../components/status";
import { compact, cost, dateTime, duration, plural } from "../lib/format";
import { nowMs } from "../state/clock";
import { format, go, traceId } from "../state/route";
import { STATUS_ERROR } from "../state/skeleton";
import { told } from "../views/playhead/stage";
import { moveTo } from "../views/waterfall/state";
import { fetchInto, skeleton, valueOf, type Load } from "../state/trace";

const rowLoad = signal<Load<TraceRow | null>>({ state: "idle" });
const row = computed(() => valueOf(rowLoad.value));

/** The name of the trace and how it stands; fetches what `Facts` shows. */
export function Title() {
  const trace = skeleton.value;
  const id = trace?.traceId ?? "";
  useEffect(() => {
    if (!id) {
      rowLoad.value = { state: "idle" };
      return undefined;
    }
    const fetch = async (signal: AbortSignal) =>
      (await traces({ q: `trace:${id}`, limit: 1 }, signal)).traces[0] ?? null;
    return fetchInto(rowLoad, fetch, row.peek()?.trace_id === id);
  }, [trace]);
  const name = trace && trace.count > 0 ? trace.text(trace.name, 0) || "unnamed" : "";
  useEffect(() => {
    document.title = name ? `${name} – Sidespan` : "Sidespan";
  }, [name]);
  return (
    <h1 class="title">
      {row.value && <StatusSign status={told.value === null ? row.value.status : statusThen()} />}
      <span class="title-name">{name}</span>
      <code class="quiet" title={id || undefined}>{(id || traceId.value || "").slice(0, 12)}</code>
    </h1>
  );
}

/** How the trace stood at the playhead's moment. */
function statusThen(): string {
  const then = told.value!;
  if (then.errors > 0) return "error";
  return then.running > 0 || then.begun < (skeleton.value?.count ?? 0) ? "open" : "ok";
}

/** What was known of the trace at the playhead's moment. */
function FactsThen() {
  const then = told.value!;
  return (
    <dl class="trace-facts">
      <Fact name="begun">{then.begun} of {plural(skeleton.value!.count, "span")} begun</Fact>
      {then.running > 0 && <Fact name="running">{then.running} running</Fact>}
      {then.errors > 0 && <Fact name="failed" class="error">{plural(then.errors, "error")}</Fact>}
      {then.tokensIn + then.tokensOut > 0 && (
        <Fact name="tokens">{compact(then.tokensIn)} in, {compact(then.tokensOut)} out</Fact>
      )}
      {!Number.isNaN(then.cost) && <Fact name="cost">{cost(then.cost)}</Fact>}
    </dl>
  );
}

export function Facts() {
  const trace = skeleton.value;
  const facts = row.value;
  if (!trace) return null;
  if (told.value !== null) return <FactsThen />;
  const ended = trace.openCount === 0;
  const us = ended ? trace.endUs : Math.max(trace.endUs, (nowMs.value - trace.startMs) * 1e3);
  return (
    <dl class="trace-facts">
      <Fact name="started" class="started">{dateTime(trace.startMs)}</Fact>
      {trace.abandonedCount > 0 && ended ? (
        <Fact name="a span was abandoned: nobody knows when it ended">
          {us < 1 ? "end unknown" : `≥ ${duration(us)}`}
        </Fact>
      ) : (
        <Fact name={ended ? "took" : "open for"}>{duration(us)}</Fact>
      )}
      <Fact name="recorded">{plural(trace.count, "span")}</Fact>
      {trace.errorCount > 0 && (
        <Fact name="failed" class="error">
          <button type="button" title="To the next one (e in the waterfall)" onClick={toNextError}>
            {plural(trace.errorCount, "error")}
          </button>
        </Fact>
      )}
      {trace.abandonedCount > 0 && (
        <Fact name="abandoned" class="warn">{trace.abandonedCount} abandoned</Fact>
      )}
      {facts && facts.tokens_in + facts.tokens_out > 0 && (
        <Fact name="tokens">
          {compact(facts.tokens_in)} in
          {facts.tokens_cached > 0 && ` (${compact(facts.tokens_cached)} cached)`},{" "}
          {compact(facts.tokens_out)} out
        </Fact>
      )}
      {facts && facts.cost_usd !== null && <Fact name="cost">{cost(facts.cost_usd)}</Fact>}
      {facts?.conversation_id && <Conversation id={facts.conversation_id} />}
    </dl>
  );
}

function toNextError(): void {
  moveTo(1, (row) => skeleton.value?.status[row] === STATUS_ERROR);
}

/** Leads to all traces of the conversation. */
function Conversation({ id }: { id: string }) {
  const q = `conversation:${/^[\w.@/-]+$/.test(id) ? id : JSON.stringify(id)}`;
  return (
    <Fact name={`conversation ${id}`} class="conversation">
      <a
        href={format({ traceId: null, params: new Map([["q", q]]) })}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          go(null, { q });
        }}
      >
        {id}
      </a>
    </Fact>
  );
}

function Fact({ name, class: kind = "", children }: {
  name: string; class?: string; children: preact.ComponentChildren;
}) {
  return (
    <div class={kind} title={name}>
      <dt class="unseen">{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
