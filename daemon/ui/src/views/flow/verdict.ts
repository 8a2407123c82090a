/** A verdict on two spans in plain words: what `sidespan compare` says, at more length. */

export interface VerdictStep {
  readonly earlier: string;
  readonly later: string;
  readonly rule: string;
  readonly strength: string;
}

export interface Bound {
  readonly wall_ns: string;
  readonly error_us: number | null;
  readonly position: string;
  readonly moment: string;
  readonly rule: string;
  readonly strength: string;
}

export interface Comparison {
  readonly a: string;
  readonly b: string;
  readonly verdict: string;
  readonly about: string;
  readonly strength: string;
  readonly path: readonly VerdictStep[];
  readonly opposing: readonly VerdictStep[];
  readonly not_before: Bound | null;
  readonly not_after: Bound | null;
  readonly assumptions: readonly string[];
  readonly refutations: readonly string[];
  readonly hint: Readonly<Record<string, string>>;
}

/** Returns the answer as one sentence about `A` and `B`. */
export function answer(found: Comparison): string {
  const activity = found.about === "activity";
  const order = found.verdict === "after" ? "B before A" : "A before B";
  const [first, second] = order === "A before B" ? ["A", "B"] : ["B", "A"];
  switch (found.verdict) {
    case "before":
    case "after":
      if (found.path.length > 0 && found.strength === "cryptographic") {
        return `${first} was fixed before ${second} was, whatever the clocks said.`;
      }
      if (!activity) return `${first} was made durable before ${second}.`;
      return found.path[0]?.rule === "span"
        ? `${first} was over before ${second} began.`
        : `${first} began before ${second} began.`;
    case "same":
      return activity
        ? "A and B are items of one span."
        : "One record holds A and B: they became durable together.";
    case "concurrent_in_record":
      return "Both logs are complete and no path joins A and B.";
    case "contradictory":
      return "The record contradicts itself: it has A before B, and B before A.";
    default:
      return "Nothing in the record orders A and B. That does not make them concurrent.";
  }
}

const WORDS_OF_STRENGTH: Readonly<Record<string, string>> = {
  cryptographic: "Rests on SHA-256 alone. No clock and nobody's word takes part.",
  "node-attested": "Rests on the word of the node that recorded it.",
  "sdk-attested": "Rests on the word of the tracing library in the program.",
  "app-asserted": "Rests on what the program itself said.",
  "clock-bounded": "Rests on two clocks and the errors that their nodes claim.",
  none: "Rests on nothing: there is no evidence.",
};

/** Returns whose word an answer of this strength rests on. */
export function strengthInWords(strength: string): string {
  return WORDS_OF_STRENGTH[strength] ?? `Rests on evidence of the strength ${strength}.`;
}

const STRENGTHS = [
  "cryptographic",
  "node-attested",
  "sdk-attested",
  "app-asserted",
  "clock-bounded",
];

/** Returns how many of five bars a strength fills; 0 for no evidence. */
export function bars(strength: string): number {
  const index = STRENGTHS.indexOf(strength);
  return index < 0 ? 0 : STRENGTHS.length - index;
}

const WORDS_OF_RULE: Readonly<Record<string, string>> = {
  log: "one log, and the first has the lower LSN",
  token: "the second holds the first one's token",
  commit: "a node commits what it already holds",
  context: "the span began with a token of that record",
  response: "the span was given that record's token before it ended",
  export: "a record is fixed after what it says has happened",
  span: "a span begins before it ends",
  parent: "the second names the first as its parent",
  link: "the second links to the first",
  clock: "both clocks are vouched for, and their intervals lie apart",
};

/** Returns why one step of a path holds. */
export function ruleInWords(rule: string): string {
  return WORDS_OF_RULE[rule] ?? rule;
}

/** What the spans of a path are called: by span id, and by position of a record's item. */
export interface Names {
  span(spanId: string): string | null;
  /** The name of the item at `lineage:lsn`. */
  item(position: string): string | null;
}

/** Returns an event of a path, with the name of its span where that is known. */
export function eventInWords(event: string, names: Names): string {
  const [moment = "", subject = ""] = split(event, " of ");
  switch (moment) {
    case "content":
      return `${recordName(subject, names)} was fixed`;
    case "commit":
      return `${recordName(subject, names)} was durable`;
    case "start":
      return `${spanName(subject, names)} began`;
    case "end":
      return `${spanName(subject, names)} ended`;
    default:
      return event;
  }
}

function spanName(subject: string, names: Names): string {
  const id = subject.slice(subject.lastIndexOf("/") + 1);
  return names.span(id) ?? `span ${id}`;
}

/** Records hold one item or several: `lineage:lsn` or `lineage:first-last`. */
function recordName(subject: string, names: Names): string {
  const [lineage = "", lsns = ""] = split(subject, ":");
  const [first = "", last = first] = split(lsns, "-");
  const named: string[] = [];
  if (/^\d+$/.test(first) && /^\d+$/.test(last)) {
    for (let lsn = BigInt(first); lsn <= BigInt(last) && named.length < 2; lsn += 1n) {
      const name = names.item(`${lineage}:${lsn}`);
      if (name !== null) named.push(name);
    }
  }
  return named.length > 0
    ? `the record of ${named.join(" and ")}`
    : `record ${lineage.slice(0, 4)}…:${lsns}`;
}

/** Returns what is no evidence, as the hint has it. */
export function hintInWords(hint: Readonly<Record<string, string>>): string[] {
  const relation: Readonly<Record<string, string>> = {
    "<": "reads A first",
    ">": "reads B first",
    "=": "reads the same for both",
    overlap: "cannot tell them apart",
  };
  return Object.entries(hint).map(([name, value]) => {
    if (name === "hlc") return `The hybrid clock ${relation[value] ?? value}.`;
    if (name === "clock") return `The nodes' clock ${relation[value] ?? value}.`;
    return `Asked about ${name}: ${value}.`;
  });
}

function split(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
