/** Spans that have not ended: which of them the recorder is to be told of, and when. */

import { OPEN_SPANS_MAX } from "./limits.js";
import type { Item } from "./otlp.js";

/** A span that may be announced. */
export interface Markable {
  /** Return a mark of it: the first time all that it has, later only what is new. */
  mark(): Item;
  /** Its mark is on the node's disk. */
  marked(): void;
}

/** The open spans of one sender. */
export class OpenSpans {
  /** In the order in which they opened, with that time. */
  readonly #young = new Map<Markable, number>();
  readonly #due = new Set<Markable>();
  readonly #announced = new Set<Markable>();

  /**
   * @param afterMs A span that is open longer is announced.
   * @param wake Called when something is due at once.
   */
  constructor(
    private readonly afterMs: number,
    private readonly wake: () => void,
  ) {}

  /** Look after a span that opened now; false when there are too many. */
  add(span: Markable, nowMs: number): boolean {
    if (this.#young.size >= OPEN_SPANS_MAX) return false;
    this.#young.set(span, nowMs);
    return true;
  }

  /** Have a span announced at once. */
  hurry(span: Markable): void {
    this.#young.delete(span);
    this.#due.add(span);
    this.wake();
  }

  /** An announced span has something new. */
  touch(span: Markable): void {
    this.#due.add(span);
  }

  /** Forget a span that ended. */
  remove(span: Markable): void {
    this.#young.delete(span);
    this.#due.delete(span);
    this.#announced.delete(span);
  }

  /** How many open spans the recorder was told of. */
  get announced(): number {
    return this.#announced.size;
  }

  /** Tell whether `take` would return something. */
  hasNews(nowMs: number): boolean {
    return this.#due.size > 0 || this.nextMs(nowMs) === 0;
  }

  /** Return the spans to be announced now; each is returned once, until it is touched. */
  take(nowMs: number): Markable[] {
    for (const [span, openedMs] of this.#young) {
      if (nowMs - openedMs < this.afterMs) break;
      this.#young.delete(span);
      this.#due.add(span);
    }
    const due = [...this.#due];
    this.#due.clear();
    for (const span of due) this.#announced.add(span);
    return due;
  }

  /** Return in how many milliseconds to look again; undefined while there is nothing to wait for. */
  nextMs(nowMs: number): number | undefined {
    if (this.#due.size > 0) return this.afterMs;
    for (const openedMs of this.#young.values()) return Math.max(0, openedMs + this.afterMs - nowMs);
    return undefined;
  }
}
