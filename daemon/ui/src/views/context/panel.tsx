/** The selected span beside a view: its name, where it leads, and all that is known of it. */

import { Failure, Loading, Notice } from "../../components/notice";
import { kindColour } from "../../lib/kinds";
import { selectedSpan, set, view } from "../../state/route";
import { skeleton, spanDetail, spanLoad, valueOf } from "../../state/trace";
import type { SpanDetail } from "../../shapes";
import { phaseOf } from "../playhead/stage";
import { SpanBody } from "./body";
import { words } from "./facts";
import "../common.css";
import "./context.css";

export default function Panel() {
  const load = spanLoad.value;
  if (selectedSpan.value === "") {
    return (
      <Notice title="No span is selected">
        <p>Select a row to see what it said and did.</p>
      </Notice>
    );
  }
  const detail = spanDetail.value ?? valueOf(load);
  if (detail === null) {
    return load.state === "failed" ? (
      <Failure error={load.error} />
    ) : (
      <Loading what="Loading the span…" />
    );
  }
  return (
    <div class="span-panel">
      <SpanHead detail={detail} />
      {load.state === "failed" && <Failure error={load.error} />}
      <SpanBody detail={detail} />
    </div>
  );
}

const ELSEWHERE = [
  { name: "context", title: "Context" },
  { name: "state", title: "State" },
  { name: "evidence", title: "Evidence" },
];

export function SpanHead({ detail }: { detail: SpanDetail }) {
  const { span, ai } = detail;
  const phase = phaseOf(skeleton.value?.rowOf(String(span["span_id"])) ?? -1);
  const state = phase === "over" ? String(span["state"] ?? "") : phase;
  if (phase === "ahead") return <AheadHead id={String(span["span_id"] ?? "")} />;
  return (
    <header class="span-head">
      <div class="span-kind">
        <span class="dot" style={{ background: kindColour(ai?.kind ?? "") }} aria-hidden="true" />
        {ai?.kind ?? String(span["kind"] ?? "span")}
        <span class="quiet">{String(span["service"] ?? "")}</span>
        {state !== "ended" && state !== "" && <span class="span-state">{state}</span>}
      </div>
      <h2 class="text">{words(span["name"])}</h2>
      <code class="quiet">{String(span["span_id"] ?? "")}</code>
      <nav aria-label="The span in other views">
        {ELSEWHERE.filter((one) => one.name !== view.value).map(({ name, title }) => (
          <button
            key={name}
            type="button"
            class="small"
            onClick={() => set({ view: name }, "push")}
          >
            {title}
          </button>
        ))}
      </nav>
    </header>
  );
}

/** Of a span that has not begun at the playhead's moment there is its place alone. */
function AheadHead({ id }: { id: string }) {
  return (
    <header class="span-head">
      <h2>Not begun</h2>
      <code class="quiet">{id}</code>
    </header>
  );
}
