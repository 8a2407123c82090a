/** Reads a large value of a span piece by piece, in order. */

import { address, send } from "../../api";

/** How much one request for more brings. */
export const PIECE_BYTES = 64 * 1024;

export interface Piece {
  readonly text: string;
  /** How many bytes have been read by now, and how many there are. */
  readonly read: number;
  readonly total: number;
}

/** Reads one field of one span from its first byte to its last. */
export class ContentReader {
  private read = 0;
  // A range may end within a character: what is cut is kept for the next piece.
  private readonly decoder = new TextDecoder();

  constructor(
    private readonly spanId: string,
    private readonly traceId: string,
    private readonly field: string,
  ) {}

  /**
   * Returns the next piece.
   *
   * @param bytes How much of it, at most.
   * @throws ApiError The daemon refused, or does not answer.
   */
  async next(bytes: number, signal: AbortSignal): Promise<Piece> {
    const path = address(`/v1/spans/${encodeURIComponent(this.spanId)}/content`, {
      field: this.field,
      trace_id: this.traceId,
    });
    const range = `bytes=${this.read}-${this.read + bytes - 1}`;
    const answer = await send(path, { headers: { range }, signal });
    const body = new Uint8Array(await answer.arrayBuffer());
    const stated = /\/(\d+)$/.exec(answer.headers.get("content-range") ?? "");
    this.read += body.length;
    // Without a range in the answer it is the whole.
    const total = stated ? Number(stated[1]) : this.read;
    const text = this.decoder.decode(body, { stream: this.read < total });
    return { text, read: this.read, total };
  }
}
