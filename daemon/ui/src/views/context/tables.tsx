/** What a span carries beside its conversation: attributes, events, links, logs. */

import { useState } from "preact/hooks";
import type { Json, SpanDocument } from "../../shapes";
import { duration, timeOfDay } from "../../lib/format";
import { go } from "../../state/route";
import { Value } from "../content/value";
import { words } from "./facts";

const FILTER_FROM = 15;

/** Attributes by name, whole and as they were received. */
export function Attributes({ values, span }: { values: SpanDocument; span: string }) {
  const [filter, setFilter] = useState("");
  const names = Object.keys(values).sort();
  const wanted = filter.toLowerCase();
  const shown = names.filter((name) => name.toLowerCase().includes(wanted));
  return (
    <>
      {names.length >= FILTER_FROM && (
        <input
          class="filter"
          type="search"
          placeholder="Filter by name"
          aria-label="Filter attributes by name"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
      )}
      <dl class="attributes">
        {shown.map((name) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <Value value={values[name]!} label={name} span={span} lines={12} />
            </dd>
          </div>
        ))}
      </dl>
      {shown.length === 0 && (
        <p class="quiet">{names.length === 0 ? "None." : "No name has that in it."}</p>
      )}
    </>
  );
}

/** Returns the name of an event, or of a log record its severity. */
function titleOf(event: SpanDocument): string {
  const { name, event_name: eventName, severity_text: severity } = event;
  return words(name) || [words(severity), words(eventName)].filter(Boolean).join(" ");
}

interface EventsProps {
  readonly events: readonly SpanDocument[];
  readonly span: string;
  /** Nanoseconds since 1970; what the times are shown after. */
  readonly startNs: bigint;
}

export function Events({ events, span, startNs }: EventsProps) {
  return (
    <ol class="events">
      {events.map((event, index) => (
        <li key={index}>
          <span class="event-time">{after(event["time_ns"], startNs)}</span>
          <div>
            <strong class="text">{titleOf(event)}</strong>
            {event["body"] !== undefined && (
              <Value value={event["body"]!} label="Body" span={span} />
            )}
            <Attributes values={(event["attributes"] ?? {}) as SpanDocument} span={span} />
          </div>
        </li>
      ))}
    </ol>
  );
}

export function Links({ links, span }: { links: readonly SpanDocument[]; span: string }) {
  return (
    <ol class="events">
      {links.map((link, index) => {
        const [trace, to] = [String(link["trace_id"]), String(link["span_id"])];
        return (
          <li key={index}>
            <button type="button" class="small" onClick={() => go(trace, { span: to })}>
              Open
            </button>
            <div>
              <code class="text">
                {trace} / {to}
              </code>
              <Attributes values={(link["attributes"] ?? {}) as SpanDocument} span={span} />
            </div>
          </li>
        );
      })}
    </ol>
  );
}

function after(time: Json | undefined, startNs: bigint): string {
  if (typeof time !== "string" || !/^\d+$/.test(time) || time === "0") return "";
  const at = BigInt(time);
  return at < startNs
    ? timeOfDay(Number(at / 1_000n) / 1_000)
    : `+${duration(Number(at - startNs) / 1_000)}`;
}
