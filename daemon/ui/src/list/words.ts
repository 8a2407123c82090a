/** The word of a search that is being typed, and what completes it. Pure. */

import { count, plural } from "../lib/format";

export interface Word {
  /** Where the word begins and ends in the text. */
  readonly start: number;
  readonly end: number;
  /** `-` where the word is turned round; empty else. */
  readonly not: string;
  /** The field before the colon; null while there is no colon. */
  readonly field: string | null;
  /** What is typed of the field, or of the value behind the last comma. */
  readonly prefix: string;
  /** The values before it, with their commas. */
  readonly before: string;
}

export interface Suggestion {
  /** What is written in the place of the word. */
  readonly text: string;
  readonly label: string;
  readonly help: string;
}

/** Returns the word in which the caret stands; quotes hold blanks together. */
export function wordAt(text: string, caret: number): Word {
  let start = 0;
  let quoted = false;
  for (let at = 0; at < caret; at += 1) {
    if (text[at] === '"' && text[at - 1] !== "\\") quoted = !quoted;
    else if (text[at] === " " && !quoted) start = at + 1;
  }
  let end = caret;
  while (end < text.length && (quoted || text[end] !== " ")) {
    if (text[end] === '"') quoted = !quoted;
    end += 1;
  }
  const typed = text.slice(start, caret);
  const not = typed.startsWith("-") ? "-" : "";
  const word = typed.slice(not.length);
  const colon = word.indexOf(":");
  if (colon < 0) return { start, end, not, field: null, prefix: word, before: "" };
  const value = word.slice(colon + 1);
  const comma = value.startsWith('"') ? -1 : value.lastIndexOf(",");
  return {
    start, end, not,
    field: word.slice(0, colon),
    prefix: value.slice(comma + 1).replace(/^"/, ""),
    before: value.slice(0, comma + 1),
  };
}

/** Returns fields whose name begins with, then those that contain, what is typed. */
export function fieldsFor(
  word: Word, fields: readonly { name: string; help: string }[],
): Suggestion[] {
  const prefix = word.prefix.toLowerCase();
  const begin = fields.filter(({ name }) => name.startsWith(prefix));
  const contain = fields.filter(({ name }) => !name.startsWith(prefix) && name.includes(prefix));
  return [...begin, ...contain].map(({ name, help }) => {
    const keyed = name === "attr" || name === "resource";
    return { text: `${word.not}${name}${keyed ? "." : ":"}`, label: name, help };
  });
}

/** Returns values as suggestions, quoted where the grammar needs it. */
export function valuesFor(
  word: Word, values: readonly { value: string; count: number }[],
): Suggestion[] {
  return values.map(({ value, count }) => ({
    text: `${word.not}${word.field}:${word.before}${quoted(value)} `,
    label: value,
    help: count > 0 ? String(count) : "",
  }));
}

/** Returns a value as the grammar reads it back. */
export function quoted(value: string): string {
  return /^[^\s"',:*<>()-][^\s"',*()]*$/.test(value)
    ? value
    : `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** Returns the text with a suggestion in the place of the word, and where the caret then stands. */
export function complete(text: string, word: Word, chosen: Suggestion): [string, number] {
  const rest = chosen.text.endsWith(" ") ? text.slice(word.end).trimStart() : text.slice(word.end);
  return [text.slice(0, word.start) + chosen.text + rest, word.start + chosen.text.length];
}

/** Returns a search that asks for a range of time in the place of the one that it had. */
export function withRange(text: string, since: string, until: string): string {
  const words = text.split(/\s+/).filter((word) => word && !/^(since|until):/.test(word));
  return [...words, `since:${since}`, `until:${until}`].join(" ");
}

/**
 * Returns how many traces the list shows, and of how many.
 *
 * @param more Whether there are others than those shown.
 * @param matching How many match; null where that is not known. What arrived since is not in it.
 */
export function said(shown: number, more: boolean, matching: number | null): string {
  if (!more) return plural(shown, "trace");
  return matching !== null && matching > shown
    ? `${count(shown)} of ${plural(matching, "trace")}`
    : `${plural(shown, "trace")} and more`;
}
