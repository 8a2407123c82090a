/** Every key of the page, in one place, so that `?` can show them all and none has two meanings. */

import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";

export interface Key {
  /** As `KeyboardEvent.key` has it; `Shift+`, `Alt+` and `Ctrl+` before it where they matter. */
  readonly keys: readonly string[];
  /** What it does, in a few words. */
  readonly does: string;
  /** Returns false to leave the key to an outer group, and at last to the browser. */
  readonly run: (event: KeyboardEvent) => unknown;
}

export interface KeyGroup {
  readonly title: string;
  readonly keys: readonly Key[];
}

/** The groups that hold now, the innermost last. */
export const groups = signal<readonly KeyGroup[]>([]);
export const sheetOpen = signal(false);

/** Registers a group; returns what takes it away. A later group wins over an earlier one. */
export function register(group: KeyGroup): () => void {
  groups.value = [...groups.peek(), group];
  return () => {
    groups.value = groups.peek().filter((one) => one !== group);
  };
}

/** Registers a group while the component is shown. `keys` is read once, so it reads signals. */
export function useKeys(title: string, keys: () => readonly Key[]): void {
  // Before the next drawing: what can be seen can be operated.
  useLayoutEffect(() => register({ title, keys: keys() }), []);
}

/** Returns the name of what was pressed, such as `Shift+ArrowDown` or `?`. */
export function nameOf(event: KeyboardEvent): string {
  // A printed character says already that Shift was held.
  const shift = event.shiftKey && event.key.length > 1 ? "Shift+" : "";
  const held = `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}`;
  return `${held}${shift}${event.key === " " ? "Space" : event.key}`;
}

const inText = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** Runs what is registered for a key. */
export function press(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || inText(event.target)) return;
  // What lies over the page has its own keys.
  if (event.target instanceof Element && event.target.closest("dialog")) return;
  const name = nameOf(event);
  // A focused button answers to Space and Enter itself.
  const pressesButton = (name === "Enter" || name === "Space") &&
    event.target instanceof Element && event.target.closest("button, a[href], summary") !== null;
  if (pressesButton) return;
  for (const group of [...groups.peek()].reverse()) {
    const found = group.keys.find((key) => key.keys.includes(name));
    if (found && found.run(event) !== false) {
      event.preventDefault();
      return;
    }
  }
}

/** Listens to the keyboard. */
export function start(): void {
  addEventListener("keydown", press);
}
