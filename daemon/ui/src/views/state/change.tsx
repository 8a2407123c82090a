/** One change: what it was, what it is, word by word where that is text. */

import type { Change, Json } from "../../shapes";
import { count } from "../../lib/format";
import { Value } from "../content/value";
import { saidBy } from "../context/conversation";
import { withheld } from "../json/tree";
import { lengths, messageIn, pathBelow } from "./changes";

interface Props {
  readonly change: Change;
  readonly span: string;
}

export function ChangeOf({ change, span }: Props) {
  const { op, path, label } = change;
  return (
    <li class={`change ${op}`} data-op={op}>
      <span class="change-op">{op}</span>
      <div class="change-what">
        {path.length !== 1 && (
          <span class="change-path" title={label}>
            {pathBelow(path) || "the whole"}
          </span>
        )}
        <small>{lengths(change)}</small>
        {op === "moved" && (
          <small>
            from index {change.source} to {String(path.at(-1))}
          </small>
        )}
        <Sides change={change} span={span} />
      </div>
    </li>
  );
}

function Sides({ change, span }: Props) {
  const { op, before, after, hunks, label } = change;
  if (op === "moved") return null;
  if (hunks.length > 0) return <Hunks hunks={hunks} />;
  const brief = [before, after].every((value) => isBrief(value));
  return (
    <div class={`change-sides${brief ? " brief" : ""}`}>
      {op !== "added" && (
        <div class="side dropped">
          <Told value={before} label={`${label} before`} span={span} />
        </div>
      )}
      {brief && op === "changed" && <span aria-label="to">→</span>}
      {op !== "dropped" && (
        <div class="side added">
          <Told value={after} label={`${label} after`} span={span} />
        </div>
      )}
    </div>
  );
}

/** Tells whether a value fits beside the other one on a line. */
function isBrief(value: Json): boolean {
  return typeof value !== "object" && String(value).length <= 24 && !String(value).includes("\n");
}

function Hunks({ hunks }: { hunks: Change["hunks"] }) {
  return (
    <p class="hunks">
      {hunks.map((hunk, index) => {
        if (hunk.op === "added") return <ins key={index}>{hunk.text}</ins>;
        if (hunk.op === "dropped") return <del key={index}>{hunk.text}</del>;
        if (hunk.op === "skipped") {
          return (
            <span key={index} class="skipped">
              {" "}
              … {count(hunk.characters)} the same …{" "}
            </span>
          );
        }
        return <span key={index}>{hunk.text}</span>;
      })}
    </p>
  );
}

function Told({ value, label, span }: { value: Json; label: string; span: string }) {
  const message = messageIn(value);
  if (message !== null) {
    return (
      <>
        {message.parts.map((part, index) => (
          <div key={index}>
            {part.type !== "text" && (
              <span class="part-kind">{[part.type, part.name].filter(Boolean).join(" · ")}</span>
            )}
            <Told value={part.arguments ?? saidBy(part)} label={label} span={span} />
          </div>
        ))}
      </>
    );
  }
  const kept = withheld(value);
  // What was cut from the answer to a comparison has no address of its own.
  if (kept !== null) return <span class="text">{kept.preview}…</span>;
  return <Value value={value} label={label} span={span} />;
}
