/** The bar at the head of each page. */

import type { ComponentChildren } from "preact";
import { lostAtMs } from "../api";
import { sheetOpen } from "../keys";
import { timeOfDay } from "../lib/format";
import { next, theme } from "../lib/theme";
import { format, go, param } from "../state/route";

export function Mark() {
  const q = param("q");
  return (
    <a
      class="mark"
      href={format({ traceId: null, params: new Map(q ? [["q", q]] : []) })}
      title="All traces (g)"
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        go(null, q ? { q } : {});
      }}
    >
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <rect x="1" y="2.5" width="11" height="2.4" rx="1.2" class="mark-1" />
        <rect x="3.5" y="6.8" width="7" height="2.4" rx="1.2" class="mark-2" />
        <rect x="7" y="11.1" width="8" height="2.4" rx="1.2" class="mark-3" />
      </svg>
      <span class="mark-name">Sidespan</span>
    </a>
  );
}

const THEMES = {
  system: { sign: "◐", says: "as the system" },
  light: { sign: "○", says: "light" },
  dark: { sign: "●", says: "dark" },
};

export function TopBar({ children }: { children?: ComponentChildren }) {
  const { sign, says } = THEMES[theme.value];
  return (
    <>
      <header class="top-bar">
        <Mark />
        {children}
        <button type="button" class="bare" onClick={next} title={`Theme: ${says} (t)`} aria-label={`Theme: ${says}`}>
          {sign}
        </button>
        <button type="button" class="bare" onClick={() => (sheetOpen.value = true)} title="Keys (?)" aria-label="Keys">
          ?
        </button>
      </header>
      {lostAtMs.value !== null && <Lost sinceMs={lostAtMs.value} />}
    </>
  );
}

/** That the daemon has gone: what is shown may be old, and no click will bring more. */
function Lost({ sinceMs }: { sinceMs: number }) {
  return (
    <p class="lost" role="alert">
      Not connected since {timeOfDay(sinceMs).slice(0, 8)}: the daemon does not answer. What is shown
      is of before; the page connects again by itself.
    </p>
  );
}

/** Whether what is shown follows what is recorded. */
export function Live({ on, says }: { on: boolean; says: string }) {
  const lost = lostAtMs.value !== null;
  return (
    <span class={`live ${on ? "on" : lost ? "gone" : ""}`} role="status">
      {lost ? "not connected" : says}
    </span>
  );
}
