/** What stands where there is nothing to show. */

import type { ComponentChildren } from "preact";
import type { ApiError } from "../api";

export function Notice({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="notice" role="status">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** An error in the daemon's words, with the next thing to do. */
export function Failure({ error, retry }: { error: ApiError; retry?: () => void }) {
  return (
    <div class="notice failed" role="alert">
      <h2>{error.message}</h2>
      {error.hint && <p>{error.status === 0 ? <code>{error.hint}</code> : error.hint}</p>}
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

/** A thin line that moves; it appears only when something takes its time. */
export function Loading({ what }: { what: string }) {
  return (
    <div class="loading" role="status">
      <span class="loading-line" aria-hidden="true" />
      <span>{what}</span>
    </div>
  );
}
