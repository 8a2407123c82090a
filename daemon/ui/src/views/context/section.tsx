/** A part of what is known of a span that folds; what was folded stays so for the next span. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";

interface Props {
  readonly name: string;
  readonly count?: number;
  /** Whether it is open before anybody folded or unfolded it. */
  readonly open?: boolean;
  readonly children: ComponentChildren;
}

const chosen = signal<ReadonlyMap<string, boolean>>(new Map());

export function Section({ name, count, open = true, children }: Props) {
  const isOpen = chosen.value.get(name) ?? open;
  function toggled(event: Event): void {
    const now = (event.currentTarget as HTMLDetailsElement).open;
    if (now !== isOpen) chosen.value = new Map(chosen.peek()).set(name, now);
  }
  return (
    <details class="section" open={isOpen} onToggle={toggled} data-section={name}>
      <summary>
        <h3>{name}</h3>
        {count !== undefined && <span class="section-count">{count}</span>}
      </summary>
      {isOpen && <div class="section-body">{children}</div>}
    </details>
  );
}
