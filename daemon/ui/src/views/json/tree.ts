/** Which lines a tree of JSON shows. Only what is open is walked: a large value costs nothing. */

export type Json = null | boolean | number | string | Json[] | { readonly [key: string]: Json };

/** A value that the daemon did not send whole. */
export interface Withheld {
  readonly field: string;
  readonly bytes: number;
  readonly preview: string;
}

export type LineKind =
  "object" | "array" | "string" | "number" | "boolean" | "null" | "withheld" | "more";

export interface Line {
  /** JSON pointer (RFC 6901) of the value; of a `more` line that of its container. */
  readonly path: string;
  readonly depth: number;
  /** Key or index in its container; empty for the root. */
  readonly label: string;
  readonly kind: LineKind;
  /** What the line says of the value: a scalar as JSON writes it, a container in brief. */
  readonly text: string;
  readonly expandable: boolean;
  readonly open: boolean;
  readonly value: Json;
}

/** Which containers are open, by path; the number is how many members of each are shown. */
export type Opened = ReadonlyMap<string, number>;

/** How many members a container shows, and how many more each request for more adds. */
export const MEMBERS_SHOWN = 100;

const EMBEDDED_CHARACTERS_MAX = 1_000_000;
const BRIEF_CHARACTERS_MAX = 80;

/** Returns the lines that are visible, depth first; never walks into a container that is closed. */
export function lines(root: Json, opened: Opened, label = ""): Line[] {
  const out: Line[] = [];
  // A stack of its own: a value of a stranger may nest deeper than the machine's.
  const stack: Pending[] = [{ path: "", depth: 0, label, value: root }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if ("left" in next) {
      out.push(moreLine(next));
      continue;
    }
    const members = membersOf(next.value);
    const shown = members === null ? undefined : opened.get(next.path);
    out.push(lineOf(next, shown !== undefined));
    if (members === null || shown === undefined) continue;
    const entries = members();
    const visible = Math.min(shown, entries.length);
    if (visible < entries.length) {
      stack.push({ path: next.path, depth: next.depth + 1, left: entries.length - visible });
    }
    for (let index = visible - 1; index >= 0; index--) {
      const [key, value] = entries[index]!;
      stack.push({
        path: `${next.path}/${escapePointer(key)}`,
        depth: next.depth + 1,
        label: key,
        value,
      });
    }
  }
  return out;
}

/** Returns what the daemon kept back of a value; null when it is whole. */
export function withheld(value: unknown): Withheld | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { $content: field, bytes, preview } = value as Record<string, unknown>;
  if (typeof field !== "string" || typeof bytes !== "number") return null;
  return { field, bytes, preview: typeof preview === "string" ? preview : "" };
}

/** Returns the JSON that a text holds when that is an object or an array; undefined otherwise. */
export function embedded(text: string): Json | undefined {
  const first = text.trimStart()[0];
  if ((first !== "{" && first !== "[") || text.length > EMBEDDED_CHARACTERS_MAX) return undefined;
  try {
    const value = JSON.parse(text) as Json;
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns what opens with a click on a line: itself, or the next members of its container. */
export function toggled(opened: Opened, line: Line): Opened {
  const next = new Map(opened);
  if (line.kind === "more") next.set(line.path, (opened.get(line.path) ?? 0) + MEMBERS_SHOWN);
  else if (line.open) next.delete(line.path);
  else next.set(line.path, MEMBERS_SHOWN);
  return next;
}

interface Member {
  readonly path: string;
  readonly depth: number;
  readonly label: string;
  readonly value: Json;
}

interface Rest {
  readonly path: string;
  readonly depth: number;
  readonly left: number;
}

type Pending = Member | Rest;

function membersOf(value: Json): (() => [string, Json][]) | null {
  if (typeof value === "string") {
    const first = value.trimStart()[0];
    if (first !== "{" && first !== "[") return null;
    const parsed = embedded(value);
    return parsed === undefined ? null : membersOf(parsed);
  }
  if (typeof value !== "object" || value === null || withheld(value) !== null) return null;
  if (Array.isArray(value)) return () => value.map((member, index) => [String(index), member]);
  return () => Object.entries(value);
}

function lineOf(member: Member, open: boolean): Line {
  const { value } = member;
  const kind = kindOf(value);
  const expandable = membersOf(value) !== null && !isEmpty(value);
  return { ...member, kind, text: brief(value), expandable, open: open && expandable };
}

function moreLine(rest: Rest): Line {
  const { path, depth, left } = rest;
  const text = `${left.toLocaleString("en")} more`;
  return { path, depth, label: "", kind: "more", text, expandable: true, open: false, value: null };
}

function kindOf(value: Json): LineKind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (withheld(value) !== null) return "withheld";
  return typeof value as "object" | "string" | "number" | "boolean";
}

function isEmpty(value: Json): boolean {
  if (typeof value !== "object" || value === null) return false;
  return (Array.isArray(value) ? value : Object.keys(value)).length === 0;
}

/** Returns a value on one line: scalars as they are, containers by their size and first keys. */
export function brief(value: Json): string {
  const kept = withheld(value);
  if (kept !== null) return kept.preview;
  if (Array.isArray(value))
    return value.length === 0 ? "[]" : `[${value.length.toLocaleString("en")}]`;
  if (typeof value !== "object" || value === null) {
    return typeof value === "string" ? value : JSON.stringify(value);
  }
  const keys = Object.keys(value);
  const text = keys.join(", ");
  const cut = text.length > BRIEF_CHARACTERS_MAX;
  return `{${cut ? `${text.slice(0, BRIEF_CHARACTERS_MAX)}…` : text}}`;
}

function escapePointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
