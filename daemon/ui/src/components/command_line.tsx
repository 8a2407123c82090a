/** The line at the foot of the page: the command that shows the same in a terminal. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { copy } from "../lib/clipboard";

/** The command of what is shown. */
export const command = signal("");
const copied = signal<"" | "copied" | "failed">("");
let timer: ReturnType<typeof setTimeout> | undefined;

/** Copies the command, and says so for a moment. */
export async function copyCommand(): Promise<void> {
  copied.value = (await copy(command.value)) ? "copied" : "failed";
  clearTimeout(timer);
  timer = setTimeout(() => (copied.value = ""), 1_600);
}

const SAID = { "": "Copy", copied: "Copied", failed: "Not allowed to copy" };

export function CommandLine({ children }: { children?: ComponentChildren }) {
  return (
    <footer class="command-line">
      <code class="command" aria-label="The same in a terminal">
        <span aria-hidden="true">$ </span>
        <span data-test="command">{command.value}</span>
      </code>
      <button type="button" class="small" onClick={copyCommand} title="Copy this command (y)">
        {SAID[copied.value]}
      </button>
      <span class="spring" />
      {children}
    </footer>
  );
}
