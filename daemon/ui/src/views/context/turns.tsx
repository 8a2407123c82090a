/** The turns of a conversation, as they went to a model and came back. */

import { useMemo, useState } from "preact/hooks";
import type { SpanDetail } from "../../shapes";
import { plural } from "../../lib/format";
import { Value } from "../content/value";
import { turnsOf, saidBy, type Plain, type Turn } from "./conversation";
import { ExchangeOf } from "./exchange";

interface Props {
  readonly detail: SpanDetail;
  readonly span: string;
  /** False while the answer is not there yet. */
  readonly answered: boolean;
}

// Beyond that one asks for the earlier ones: what matters is mostly at the end.
const TURNS_SHOWN = 40;

export function Turns({ detail, span, answered }: Props) {
  const [all, setAll] = useState(false);
  const turns = useMemo(() => {
    const { system, input, output } = detail.messages;
    return turnsOf({ system, input, output: answered ? output : [] });
  }, [detail, answered]);
  const hidden = all ? 0 : Math.max(0, turns.length - TURNS_SHOWN);
  const instructed = turns.filter((turn) => turn.side === "system");
  const shown = hidden === 0 ? turns : [...instructed, ...turns.slice(hidden + instructed.length)];
  return (
    <ol class="turns" aria-label="Conversation">
      {shown.map((turn, index) => (
        <>
          {hidden > 0 && index === instructed.length && (
            <li class="turns-more" key="more">
              <button type="button" class="small" onClick={() => setAll(true)}>
                Show {plural(hidden, "earlier message")}
              </button>
            </li>
          )}
          <TurnOf key={`${turn.side} ${turn.index}`} turn={turn} span={span} />
        </>
      ))}
      {!answered && (
        <li class="turn ahead">
          <span class="turn-role">answer</span>
          <p class="turn-parts">not there yet at this step</p>
        </li>
      )}
    </ol>
  );
}

function TurnOf({ turn, span }: { turn: Turn; span: string }) {
  const said = turn.finishReason === "stop" ? null : turn.finishReason;
  return (
    <li class={`turn ${turn.side}`} data-role={turn.role}>
      <span class="turn-role">
        {turn.role || "unknown"}
        {turn.name !== null && turn.name !== turn.role && <small>{turn.name}</small>}
        {turn.side === "output" && <small>answer</small>}
      </span>
      <div class="turn-parts">
        {turn.parts.length === 0 && <span class="quiet">(empty)</span>}
        {turn.parts.map((part, index) =>
          part.type === "exchange" ? (
            <ExchangeOf key={index} exchange={part} span={span} />
          ) : (
            <PlainOf key={index} part={part} span={span} />
          ),
        )}
        {said && <span class="turn-finish">finished: {said}</span>}
      </div>
    </li>
  );
}

const QUIET_TYPES: ReadonlySet<string> = new Set(["text"]);

function PlainOf({ part: { part }, span }: { part: Plain; span: string }) {
  const kind = part.type || "part";
  return (
    <div class="part" data-part={kind}>
      {!QUIET_TYPES.has(kind) && (
        <span class="part-kind">
          {[kind, part.mime_type, part.modality].filter(Boolean).join(" · ")}
        </span>
      )}
      <Value value={saidBy(part)} label={kind} span={span} />
    </div>
  );
}
