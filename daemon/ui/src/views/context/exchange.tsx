/** A call of a tool and what came back, side by side. */

import type { Json } from "../../shapes";
import { duration } from "../../lib/format";
import { skeleton, select, valueOf } from "../../state/trace";
import { STATUS_ERROR } from "../../state/skeleton";
import { Value } from "../content/value";
import { useDetail } from "../details";
import { phaseOf } from "../playhead/stage";
import type { Exchange } from "./conversation";

/** Shows a call that a model asked for. What the messages lack is read from the tool's own span. */
export function ExchangeOf({ exchange, span }: { exchange: Exchange; span: string }) {
  const row = toolRowOf(span, exchange.callId);
  const ran = row >= 0 && phaseOf(row) !== "ahead";
  // The result in a later message is what the model saw; the tool's span says what it returned.
  const wanted = exchange.result === undefined && ran && phaseOf(row) === "over";
  const load = useDetail(wanted ? row : -1);
  const tool = valueOf(load)?.tool ?? null;
  const missing = !ran
    ? "no result in these messages"
    : load.state === "loading"
      ? "Loading…"
      : phaseOf(row) === "over"
        ? "no result recorded"
        : "running";
  return (
    <SideBySide
      name={exchange.tool}
      callId={exchange.callId}
      row={ran ? row : -1}
      args={exchange.args}
      argsSpan={span}
      result={exchange.result ?? tool?.result ?? undefined}
      resultSpan={exchange.result === undefined && row >= 0 ? skeleton.value!.spanId[row]! : span}
      missing={missing}
    />
  );
}

interface SidesProps {
  readonly name: string;
  readonly callId: string;
  /** Row of the span that ran it; -1 where none is known. */
  readonly row: number;
  readonly args: Json;
  readonly argsSpan: string;
  readonly result: Json | undefined;
  readonly resultSpan: string;
  /** What stands for a result that is not there. */
  readonly missing: string;
}

export function SideBySide(props: SidesProps) {
  const { name, callId, row, args, result } = props;
  return (
    <div class="exchange" data-test="exchange">
      <header>
        <span class="exchange-name">{name || "tool"}</span>
        {callId !== "" && <code class="quiet">{callId}</code>}
        {row >= 0 && <RanAs row={row} />}
      </header>
      <div class="exchange-sides">
        <div>
          <h4>call</h4>
          {args === null ? (
            <span class="quiet">no arguments recorded</span>
          ) : (
            <Value value={args} label={`Arguments of ${name}`} span={props.argsSpan} />
          )}
        </div>
        <div>
          <h4>result</h4>
          {result === undefined || result === null ? (
            <span class="quiet">{props.missing}</span>
          ) : (
            <Value value={result} label={`Result of ${name}`} span={props.resultSpan} />
          )}
        </div>
      </div>
    </div>
  );
}

function RanAs({ row }: { row: number }) {
  const trace = skeleton.value!;
  const running = phaseOf(row) === "running";
  const failed = !running && trace.status[row] === STATUS_ERROR;
  const took = trace.duration[row]!;
  return (
    <button
      type="button"
      class={`small ran-as${failed ? " failed" : ""}`}
      onClick={() => select(row)}
    >
      {running ? "running" : failed ? "failed" : took < 0 ? "open" : duration(took)} · {trace.text(trace.name, row)}
    </button>
  );
}

/** Returns the row of the span that ran a call, by the edge of its call id; -1 for none. */
function toolRowOf(span: string, callId: string): number {
  const trace = skeleton.value;
  if (trace === null || callId === "") return -1;
  const from = trace.rowOf(span);
  const edges = trace.edges.filter((edge) => edge.kind === "tool_call" && edge.label === callId);
  const found = edges.find((edge) => edge.from === from) ?? edges[0];
  return found === undefined || found.to === from ? -1 : found.to;
}
