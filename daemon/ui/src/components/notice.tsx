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

/** An error in the daemon's words, with the next thing to do; `children` are further buttons. */
export function Failure({ error, retry, children }: {
  error: ApiError; retry?: (() => void) | undefined; children?: ComponentChildren;
}) {
  return (
    <div class="notice failed" role="alert">
      <h2>{error.message}</h2>
      {error.hint && <p>{error.status === 0 ? <code>{error.hint}</code> : marked(error.hint)}</p>}
      {(retry || children) && (
        <p class="notice-actions">
          {retry && <button type="button" onClick={retry}>Try again</button>}
          {children}
        </p>
      )}
    </div>
  );
}

/** Returns a text in which `code` is code. */
function marked(text: string): ComponentChildren {
  return text
    .split("`")
    .map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
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
