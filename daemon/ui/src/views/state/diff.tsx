/** The answer of a comparison: between what, how much, and each change. */

import type { Diff, Json } from "../../shapes";
import { plural } from "../../lib/format";
import { ChangeOf } from "./change";
import { grouped, OPS, tally } from "./changes";

export function DiffOf({ diff, span }: { diff: Diff; span: string }) {
  const counts = tally(diff.changes);
  return (
    <section aria-label="Changes" data-test="diff">
      <header class="diff-head">
        <Side side={diff.from} /> <span aria-label="to">→</span> <Side side={diff.to} />
        <span class="spring" />
        {OPS.filter((op) => counts[op] > 0).map((op) => (
          <span key={op} class={`tally ${op}`}>
            {counts[op]} {op}
          </span>
        ))}
      </header>
      {diff.truncated && (
        <p class="as-of">
          There was more to compare than fits in one answer: this is a part of it.
        </p>
      )}
      {diff.changes.length === 0 && <p class="same">Nothing changed.</p>}
      {grouped(diff.changes).map((group) => (
        <div class="change-group" key={group.name}>
          <h3>
            {diff.of === "state" ? group.name || "state" : titleOf(group.changes[0]!.label)}
            <span class="section-count">{plural(group.changes.length, "change")}</span>
          </h3>
          <ul class="change-list">
            {group.changes.map((change, index) => (
              <ChangeOf key={index} change={change} span={span} />
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}

/** A label such as `user message 3.parts[0].content` without what is below the message. */
const titleOf = (label: string): string => /^.*? message \d+|^[^.[]+/.exec(label)?.[0] ?? label;

function Side({ side }: { side: Record<string, Json> | null }) {
  if (side === null) return <span class="quiet">nothing</span>;
  return (
    <span class="diff-side">
      <span class="text">{String(side["name"] ?? "")}</span>{" "}
      <small>{String(side["what"] ?? "")}</small>
    </span>
  );
}
