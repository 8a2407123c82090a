/** A large value: its beginning, and the rest when somebody asks for it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../../api";
import { bytes } from "../../lib/format";
import { traceId } from "../../state/route";
import type { Withheld as Content } from "../json/tree";
import { ContentReader, PIECE_BYTES, type Piece } from "./reader";
import "./content.css";

interface Props {
  readonly span: string;
  readonly content: Content;
}

// A browser lays out a text of some megabytes at once; beyond that one saves it instead.
const SHOWN_BYTES_MAX = 4 * 1024 * 1024;

/** Shows the preview of a value and loads more of it by range. */
export function Withheld({ span, content }: Props) {
  const [text, setText] = useState("");
  const [piece, setPiece] = useState<Piece | null>(null);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const reader = useRef<ContentReader | null>(null);
  const abort = useRef(new AbortController());
  useEffect(() => () => abort.current.abort(), []);

  async function more(size: number): Promise<void> {
    reader.current ??= new ContentReader(span, traceId.value ?? "", content.field);
    setBusy(true);
    setFailed(null);
    try {
      const next = await reader.current.next(size, abort.current.signal);
      setText((before) => before + next.text);
      setPiece(next);
    } catch (error) {
      if (error instanceof ApiError) setFailed(error);
      else if (!abort.current.signal.aborted) throw error;
    } finally {
      setBusy(false);
    }
  }

  const total = piece?.total ?? content.bytes;
  const left = total - (piece?.read ?? 0);
  const stop = (event: Event) => event.stopPropagation();
  return (
    <span class="withheld" onClick={stop} onKeyDown={stop}>
      <span class="withheld-text">{piece === null ? `${content.preview}…` : text}</span>
      <span class="withheld-bar">
        <span>
          {piece === null ? "preview of " : `${bytes(piece.read)} of `}
          {bytes(total)}
        </span>
        {left > 0 && (
          <button type="button" class="small" disabled={busy} onClick={() => more(PIECE_BYTES)}>
            {busy ? "Loading…" : `Load ${bytes(Math.min(left, PIECE_BYTES))}`}
          </button>
        )}
        {left > PIECE_BYTES && (piece?.read ?? 0) + left <= SHOWN_BYTES_MAX && (
          <button type="button" class="small" disabled={busy} onClick={() => more(left)}>
            Load all
          </button>
        )}
        {failed !== null && <span role="alert">{failed.message}</span>}
      </span>
    </span>
  );
}
