/** What to look for, and how the rows stand. */

import { set } from "../../state/route";
import type { Skeleton } from "../../state/skeleton";
import { errorsFirst, find, foldAll, isZoomed, matchCount, matches, moveTo, setZoom } from "./state";

export function Toolbar({ trace }: { trace: Skeleton }) {
  const row = (test: (row: number) => boolean, by: 1 | -1) => moveTo(by, test);
  const isMatch = (at: number) => matches.value?.[at] === 1;
  return (
    <div class="toolbar" role="toolbar" aria-label="Spans">
      <div class="find">
        <input
          id="find"
          type="search"
          aria-label="Find in this trace"
          placeholder="Find in this trace"
          autocomplete="off"
          spellcheck={false}
          value={find.value}
          onInput={(event) => set({ find: event.currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key === "Enter") row(isMatch, event.shiftKey ? -1 : 1);
            else if (event.key === "Escape") {
              set({ find: null });
              document.getElementById("grid")?.focus();
            } else return;
            event.preventDefault();
          }}
        />
        {find.value && <span class="quiet find-count">{matchCount.value}</span>}
      </div>
      <button
        type="button"
        class="small"
        aria-pressed={errorsFirst.value}
        disabled={trace.errorCount === 0}
        title="Among siblings, what failed comes first (r)"
        onClick={() => set({ errors: errorsFirst.value ? null : "first" })}
      >
        Errors first
      </button>
      <button type="button" class="small" title="Fold all (c)" onClick={() => foldAll(true)}>Fold</button>
      <button type="button" class="small" title="Unfold all (x)" onClick={() => foldAll(false)}>Unfold</button>
      {isZoomed.value && (
        <button type="button" class="small" title="Show the whole time (0)" onClick={() => setZoom(null)}>Fit</button>
      )}
    </div>
  );
}
