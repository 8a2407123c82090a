/** Changes as they are counted, grouped and put in words. */

import type { Change, ChangeOp, Json, Message } from "../../shapes";

export type Tally = Readonly<Record<ChangeOp, number>>;

export const OPS: readonly ChangeOp[] = ["added", "dropped", "changed", "truncated", "moved"];

/** Returns how many changes there are of each sort. */
export function tally(changes: readonly Change[]): Tally {
  const counts = { added: 0, dropped: 0, changed: 0, truncated: 0, moved: 0 };
  for (const change of changes) counts[change.op] += 1;
  return counts;
}

export interface Group {
  /** The first step of the path: a name of state, or the index of a message. */
  readonly name: string;
  readonly changes: readonly Change[];
}

/** Returns the changes by the first step of their path, in the order in which they came. */
export function grouped(changes: readonly Change[]): Group[] {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const name = String(change.path[0] ?? "");
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [change]);
    else group.push(change);
  }
  return [...groups].map(([name, members]) => ({ name, changes: members }));
}

/** Returns a path below its first step, as programs write it: `items[3].name`. */
export function pathBelow(path: readonly (string | number)[]): string {
  let text = "";
  for (const step of path.slice(1)) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** Returns a message that a change adds or drops whole; null for any other value. */
export function messageIn(value: Json): Pick<Message, "role" | "parts"> | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { role, parts } = value as { role?: Json; parts?: Json };
  return typeof role === "string" && Array.isArray(parts)
    ? {
        role,
        parts: parts.filter(
          (part) => typeof part === "object" && part !== null,
        ) as Message["parts"],
      }
    : null;
}

/** Returns what a change did to the length of a text; empty where that says nothing. */
export function lengths({ op, before, after }: Change): string {
  if (op !== "truncated" || typeof before !== "string" || typeof after !== "string") return "";
  return `${before.length.toLocaleString("en")} → ${after.length.toLocaleString("en")} characters`;
}
