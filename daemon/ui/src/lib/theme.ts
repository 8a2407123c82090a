/** Light, dark, or what the system says. */

import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "sidespan.theme";
const ORDER: readonly Theme[] = ["system", "light", "dark"];

export const theme = signal<Theme>("system");

function apply(to: Theme): void {
  theme.value = to;
  if (to === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = to;
}

/** Takes up what was chosen before. */
export function start(): void {
  const kept = localStorage.getItem(KEY) as Theme | null;
  apply(kept !== null && ORDER.includes(kept) ? kept : "system");
}

/** Goes on to the next theme. */
export function next(): void {
  apply(ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length]!);
  localStorage.setItem(KEY, theme.value);
}

const resolved = new Map<string, string>();

/** Returns a colour variable as the browser resolves it now, for a canvas. */
export function colour(name: string): string {
  // Asking has the browser lay out the page, so it is asked once for each way to look.
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const key = `${name} ${theme.peek()} ${dark}`;
  const known = resolved.get(key);
  if (known !== undefined) return known;
  const value = ask(name);
  resolved.set(key, value);
  return value;
}

function ask(name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
