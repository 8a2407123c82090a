/** All that is known of one span, in sections that fold. */

import type { SpanDetail, SpanDocument } from "../../shapes";
import { plural } from "../../lib/format";
import { skeleton } from "../../state/trace";
import { Value } from "../content/value";
import { phaseOf, stoodThen } from "../playhead/stage";
import { factsOf, failuresOf, listOf } from "./facts";
import { Section } from "./section";
import { Attributes, Events, Links } from "./tables";
import { SideBySide } from "./exchange";
import { Turns } from "./turns";
import "../common.css";
import "./context.css";

export function SpanBody({ detail: recorded }: { detail: SpanDetail }) {
  const id = String(recorded.span["span_id"]);
  const row = skeleton.value?.rowOf(id) ?? -1;
  const phase = phaseOf(row);
  if (phase === "ahead") return <p class="as-of">At this step it had not begun.</p>;
  const over = phase === "over";
  const detail = stoodThen(recorded, row);
  const { span, tool, logs } = detail;
  const startNs = BigInt(String(span["start_ns"] ?? "0"));
  const { system, input, output } = detail.messages;
  const messages = system.length + input.length + output.length;
  const events = listOf(span["events"]).filter((event) => event["name"] !== "exception");
  const links = listOf(span["links"]);
  const attributes = (span["attributes"] ?? {}) as SpanDocument;
  const setAtAll = Object.keys((recorded.span["attributes"] ?? {}) as SpanDocument).length;
  const resource = (span["resource"] ?? {}) as SpanDocument;
  return (
    <>
      <Facts detail={detail} />
      {!over && <p class="as-of">Running: as it was at this step, begun and not ended.</p>}
      {over && <Failures span={span} id={id} />}
      {messages > 0 && (
        <Section name="Conversation" count={messages}>
          <Turns detail={detail} span={id} answered={over} />
        </Section>
      )}
      {tool !== null && (
        <Section name="Tool">
          <SideBySide
            name={tool.name}
            callId={tool.call_id ?? ""}
            row={-1}
            args={tool.arguments}
            argsSpan={id}
            result={over ? (tool.result ?? undefined) : undefined}
            resultSpan={id}
            missing={over ? "no result recorded" : "not there yet at this step"}
          />
        </Section>
      )}
      {events.length > 0 && (
        <Section name="Events" count={events.length}>
          <Events events={events} span={id} startNs={startNs} />
        </Section>
      )}
      {logs.length > 0 && (
        <Section name="Logs" count={logs.length}>
          <Events events={logs} span={id} startNs={startNs} />
        </Section>
      )}
      {links.length > 0 && (
        <Section name="Links" count={links.length}>
          <Links links={links} span={id} />
        </Section>
      )}
      <Section name="Attributes" count={Object.keys(attributes).length} open={messages === 0}>
        <Attributes values={attributes} span={id} />
        {!over && <LaterAttributes count={setAtAll - Object.keys(attributes).length} />}
      </Section>
      <Section name="Resource" count={Object.keys(resource).length} open={false}>
        <Attributes values={resource} span={id} />
      </Section>
    </>
  );
}

function LaterAttributes({ count }: { count: number }) {
  if (count === 0) return null;
  return (
    <p class="quiet">
      {plural(count, "attribute")} not shown: the record does not tell whether set by then.
    </p>
  );
}

function Facts({ detail }: { detail: SpanDetail }) {
  return (
    <dl class="facts">
      {factsOf(detail).map(({ name, value, note }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="text">
            {value}
            {note !== undefined && <small>{note}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Failures({ span, id }: { span: SpanDocument; id: string }) {
  return (
    <>
      {failuresOf(span).map((failure, index) => (
        <div class="failure" key={index} data-test="failure">
          <strong class="text">{failure.type || "exception"}</strong>
          {failure.message !== "" && <p class="text">{failure.message}</p>}
          {failure.stack !== "" && (
            <details>
              <summary>Stack</summary>
              <div class="stack">
                <Value value={failure.stack} label="Stack" span={id} />
              </div>
            </details>
          )}
        </div>
      ))}
    </>
  );
}
