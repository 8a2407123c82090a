/** Evidence: where a span lies in the log, what binds it there, and what that does not say. */

import { computed, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { get } from "../../api";
import { Failure, Loading, Notice } from "../../components/notice";
import { set, traceId } from "../../state/route";
import { fetchInto, select, selectedRow, skeleton, valueOf, type Load } from "../../state/trace";
import type { Json } from "../../shapes";
import { Section } from "../context/section";
import { JsonTree } from "../json/view";
import { findingsOf, type Receipt } from "./findings";
import { ProofOf } from "./proof_panel";
import { Stamp } from "./stamp";
import { StoreCheck } from "./store_check";
import "../common.css";
import "../context/context.css";
import "./evidence.css";

const AGAIN_MS = 1_500;
const TIMES_MAX = 5;

const receipt = signal<Load<Receipt>>({ state: "idle" });

/** The span whose evidence is shown: the selected one, else the trace's first. */
const shownRow = computed(() => {
  if (selectedRow.value >= 0) return selectedRow.value;
  return (skeleton.value?.count ?? 0) > 0 ? 0 : -1;
});

export default function Evidence() {
  const trace = skeleton.value;
  const row = shownRow.value;
  const span = trace !== null && row >= 0 ? trace.spanId[row]! : "";
  useEffect(() => {
    // The address, and the command that is copied from it, name what is shown.
    if (selectedRow.peek() < 0 && row >= 0) select(row);
  }, [row]);
  // An open span has another receipt once it has ended.
  useReceipt(span, trace?.state[row] ?? 0);
  if (trace === null) return <Loading what="Loading the trace…" />;
  if (span === "") return <Notice title="The trace has no spans" />;
  const load = receipt.value;
  const found = valueOf(load);
  return (
    <div class="evidence-view">
      <header class="evidence-head">
        <div>
          <h2 class="text">{trace.text(trace.name, row)}</h2>
          <code class="quiet">{span}</code>
        </div>
        <button type="button" class="small" onClick={() => set({ view: "context" }, "push")}>
          Context
        </button>
      </header>
      {load.state === "failed" && <Failure error={load.error} />}
      {load.state === "loading" && found === null && <Loading what="Reading the receipt…" />}
      {found !== null && <Body receipt={found} />}
    </div>
  );
}

/** Fetches the receipt of a span; again while nothing covers it: a checkpoint comes soon. */
function useReceipt(span: string, state: number): void {
  const [asked, setAsked] = useState({ span, times: 1 });
  const times = asked.span === span ? asked.times : 1;
  const load = receipt.value;
  useEffect(() => {
    if (span === "") return undefined;
    return fetchInto(receipt, (abort) => receiptOf(span, abort), times > 1);
  }, [span, state, times]);
  useEffect(() => {
    if (load.state !== "ready" || load.value.covered || times === TIMES_MAX) return undefined;
    const timer = setTimeout(() => setAsked({ span, times: times + 1 }), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [load, span, times]);
}

function receiptOf(span: string, abort: AbortSignal): Promise<Receipt> {
  const path = `/v1/receipts/${encodeURIComponent(span)}`;
  return get<Receipt>(path, { trace_id: traceId.peek() }, abort);
}

function Body({ receipt: found }: { receipt: Receipt }) {
  const { established, notEstablished } = findingsOf(found);
  return (
    <>
      <Stamp receipt={found} />
      <div class="findings">
        <section aria-label="Established">
          <h3>Established</h3>
          <ul class="established">
            {established.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </section>
        <section aria-label="Not established">
          <h3>Not established</h3>
          <ul class="not-established">
            {notEstablished.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </section>
      </div>
      <ProofOf receipt={found} />
      <StoreCheck />
      <Section name="Receipt" open={false}>
        <JsonTree value={found as unknown as Json} label="Receipt" span={found.span_id ?? ""} />
      </Section>
    </>
  );
}
