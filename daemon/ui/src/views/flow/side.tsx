/** Beside the chart: what joins a span with others, or which of two was first. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "../../api";
import { Failure, Loading } from "../../components/notice";
import { param, set } from "../../state/route";
import type { Skeleton } from "../../state/skeleton";
import { fetchInto, skeleton, valueOf, type Load } from "../../state/trace";
import { neighbours } from "./layout";
import { edgeSays, flow, pick, rowA, rowB, swap } from "./model";
import type { Comparison, Names } from "./verdict";
import { VerdictOf } from "./verdict_panel";
import "./side.css";

const verdict = signal<Load<Comparison>>({ state: "idle" });

export function Side() {
  const trace = skeleton.value!;
  const a = rowA.value;
  const b = rowB.value;
  const [idA, idB] = [trace.spanId[a] ?? "", trace.spanId[b] ?? ""];
  const about = aboutAsked();
  useEffect(() => {
    if (idA === "" || idB === "") return undefined;
    const query = { a: idA, b: idB, about };
    return fetchInto(verdict, (abort) => get<Comparison>("/v1/compare", query, abort), false);
  }, [idA, idB, about]);
  return (
    <aside class="flow-side" aria-label="What orders these spans">
      {a < 0 ? (
        <p class="flow-ask">
          Click a span, then another one, to ask which came first and what says so.
        </p>
      ) : (
        <>
          <Picked letter="A" row={a} />
          {b >= 0 ? (
            <Picked letter="B" row={b} />
          ) : (
            <p class="flow-ask">Click another span to compare it with A.</p>
          )}
          {b >= 0 && <About />}
          {b >= 0 ? <Answer a={a} b={b} /> : <Joined row={a} />}
        </>
      )}
    </aside>
  );
}

const ABOUT = [
  { about: "", title: "Strongest" },
  { about: "activity", title: "When they ran" },
  { about: "commit", title: "When durable" },
];

/** Returns what the verdict is to be about; empty for whatever is known best. */
function aboutAsked(): string {
  const asked = param("about");
  return ABOUT.some(({ about }) => about === asked) ? asked : "";
}

function About() {
  return (
    <div class="segmented" role="group" aria-label="What is asked about">
      {ABOUT.map(({ about, title }) => (
        <button
          key={about}
          type="button"
          aria-pressed={aboutAsked() === about}
          onClick={() => set({ about })}
        >
          {title}
        </button>
      ))}
    </div>
  );
}

function Picked({ letter, row }: { letter: string; row: number }) {
  const trace = skeleton.value!;
  return (
    <div class="picked-span">
      <span class="badge" aria-hidden="true">
        {letter}
      </span>
      <div>
        <strong class="text">{trace.text(trace.name, row)}</strong>
        <span class="quiet">
          {trace.text(trace.service, row)} · <code>{trace.spanId[row]}</code>
        </span>
      </div>
      {letter === "A" ? (
        <button type="button" class="small" onClick={() => set({ view: "context" }, "push")}>
          Context
        </button>
      ) : (
        <button type="button" class="small" onClick={swap}>
          Swap
        </button>
      )}
    </div>
  );
}

function Answer({ a, b }: { a: number; b: number }) {
  const load = verdict.value;
  if (load.state === "failed") return <Failure error={load.error} />;
  const found = valueOf(load);
  if (found === null) return <Loading what="Comparing…" />;
  const trace = skeleton.value!;
  const names: Names = {
    span: (id) => (id === trace.spanId[a] ? "A" : id === trace.spanId[b] ? "B" : nameOf(trace, id)),
    item: (position) => (position === found.a ? "A" : position === found.b ? "B" : null),
  };
  return <VerdictOf found={found} names={names} />;
}

function nameOf(trace: Skeleton, spanId: string): string | null {
  const row = trace.rowOf(spanId);
  return row < 0 ? null : trace.text(trace.name, row);
}

const JOINED_MAX = 200;

/** What the record joins a span with, in words. */
function Joined({ row }: { row: number }) {
  const trace = skeleton.value!;
  const edges = neighbours(flow.value!, row);
  return (
    <section>
      <h3>Joined with</h3>
      {edges.length === 0 && <p class="quiet">Nothing in this trace.</p>}
      <ul class="joined">
        {edges.slice(0, JOINED_MAX).map(({ from, to, kind, label }, index) => {
          const other = from === row ? to : from;
          return (
            <li key={index}>
              <span class={`edge-word ${kind}`}>{kind.replace("_", " ")}</span>
              <span>
                {from === row ? `A ${edgeSays(kind, from)}` : ""}{" "}
                <button type="button" class="link" onClick={() => pick(other)}>
                  {trace.text(trace.name, other)}
                </button>
                {from === row ? "" : ` ${edgeSays(kind, from)} A`}
                {label !== "" && <code class="quiet"> {label}</code>}
              </span>
            </li>
          );
        })}
      </ul>
      {edges.length > JOINED_MAX && <p class="quiet">and {edges.length - JOINED_MAX} more</p>}
    </section>
  );
}
