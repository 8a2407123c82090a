/** A verdict: the answer, how strong it is, what it rests on, and what must hold for it. */

import { count } from "../../lib/format";
import {
  answer,
  bars,
  eventInWords,
  hintInWords,
  ruleInWords,
  strengthInWords,
  type Bound,
  type Comparison,
  type Names,
  type VerdictStep,
} from "./verdict";

export function VerdictOf({ found, names }: { found: Comparison; names: Names }) {
  return (
    <div class={`verdict ${found.verdict}`} data-test="verdict">
      <p class="verdict-answer">{answer(found)}</p>
      <p class="verdict-strength">
        <Bars strength={found.strength} />
        <strong>{found.strength === "none" ? "no evidence" : found.strength}</strong>
        <span>{strengthInWords(found.strength)}</span>
      </p>
      <Steps title="Because" steps={found.path} names={names} />
      <Steps title="Against it" steps={found.opposing} names={names} />
      <List title="If" lines={found.assumptions} />
      <List title="Ruled out" lines={found.refutations} />
      <Bounds notBefore={found.not_before} notAfter={found.not_after} />
      <List title="No evidence, for display only" lines={hintInWords(found.hint)} />
      <p class="quiet">
        {found.about === "commit"
          ? "About when the records were made durable."
          : "About when the spans began and ended."}{" "}
        A is <code>{found.a}</code>, B is <code>{found.b}</code>.
      </p>
    </div>
  );
}

function Bars({ strength }: { strength: string }) {
  const filled = bars(strength);
  return (
    <span class="bars" role="img" aria-label={`Strength ${filled} of 5`}>
      {[1, 2, 3, 4, 5].map((bar) => (
        <i key={bar} class={bar <= filled ? "on" : ""} />
      ))}
    </span>
  );
}

function Steps({
  title,
  steps,
  names,
}: {
  title: string;
  steps: readonly VerdictStep[];
  names: Names;
}) {
  if (steps.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ol class="verdict-path">
        {steps.map((step, index) => (
          <li key={index}>
            <span title={`${step.earlier} < ${step.later}`}>
              {eventInWords(step.earlier, names)} <b aria-label="before">→</b>{" "}
              {eventInWords(step.later, names)}
            </span>
            <small>
              {ruleInWords(step.rule)}{" "}
              <i>
                ({step.rule}, {step.strength})
              </i>
            </small>
          </li>
        ))}
      </ol>
    </section>
  );
}

function List({ title, lines }: { title: string; lines: readonly string[] }) {
  if (lines.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul>
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </section>
  );
}

function Bounds({ notBefore, notAfter }: { notBefore: Bound | null; notAfter: Bound | null }) {
  const lines = [
    ...(notBefore === null ? [] : [`B not before ${reading(notBefore)}`]),
    ...(notAfter === null ? [] : [`A not after ${reading(notAfter)}`]),
  ];
  return <List title="Clock readings that bound them" lines={lines} />;
}

function reading({ wall_ns: wall, error_us: error, moment, rule, position }: Bound): string {
  const at = new Date(Number(BigInt(wall) / 1_000_000n))
    .toISOString()
    .replace("T", " ")
    .replace("Z", " UTC");
  const trust = error === null ? "clock not vouched for" : `± ${count(error)} µs`;
  return `${at} (${trust}): ${moment}, by ${rule} of ${position}`;
}
