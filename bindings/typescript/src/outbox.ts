/** Spans on their way out: bounded in bytes, never blocking, with every loss counted. */

import { BATCH_BYTES_MAX, BATCH_SPANS_MAX, OPEN_SPANS_MAX, SPAN_OVERHEAD_BYTES } from "./limits.js";
import type { Item } from "./otlp.js";

/** A span that ended. */
export interface EndedItem {
  readonly item: Item;
  /** Its 24 bytes of ids when a mark has announced it. */
  readonly endedId: Buffer | undefined;
}

/** How many spans, at one moment: `recorded` is the sum of the others. */
export interface Counts {
  readonly recorded: number;
  readonly acked: number;
  readonly dropped: number;
  readonly buffered: number;
}

/**
 * A queue from the program to the sender, in order. What the sender has taken still counts as
 * buffered until it is settled, so the bound holds for all memory.
 */
export class Outbox {
  #queue: EndedItem[] = [];
  #head = 0;
  #bytes = 0;
  #recorded = 0;
  #acked = 0;
  #dropped = 0;
  #orphans: Buffer[] = [];

  constructor(private bytesMax: number) {}

  /** Take one span, or drop and count it when there is no room or the outbox is closed. */
  offer(item: Item, endedId: Buffer | undefined): boolean {
    this.#recorded++;
    const size = item.span.length + SPAN_OVERHEAD_BYTES;
    if (this.#bytes + size > this.bytesMax) {
      this.#dropped++;
      // It has ended, whatever else is lost of it.
      if (endedId !== undefined && this.#orphans.length < OPEN_SPANS_MAX) {
        this.#orphans.push(endedId);
      }
      return false;
    }
    this.#bytes += size;
    this.#queue.push({ item, endedId });
    return true;
  }

  /** Return the oldest spans, of one batch; what `settle` wants back. */
  take(): EndedItem[] {
    let size = 0;
    let end = this.#head;
    while (end < this.#queue.length && end - this.#head < BATCH_SPANS_MAX) {
      size += this.#queue[end]!.item.span.length;
      if (end > this.#head && size > BATCH_BYTES_MAX) break;
      end++;
    }
    const batch = this.#queue.slice(this.#head, end);
    this.#head = end;
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return batch;
  }

  /** Return the ids of marked spans that were dropped when they ended; they are handed out once. */
  takeOrphans(): Buffer[] {
    const orphans = this.#orphans;
    this.#orphans = [];
    return orphans;
  }

  /** Let go of a batch that has been decided; `rejected` of it were not stored. */
  settle(batch: readonly EndedItem[], rejected: number): void {
    for (const { item } of batch) this.#bytes -= item.span.length + SPAN_OVERHEAD_BYTES;
    this.#acked += batch.length - Math.min(rejected, batch.length);
    this.#dropped += Math.min(rejected, batch.length);
  }

  /** Drop and count what is still held, and from here on whatever is offered. */
  close(): void {
    this.bytesMax = -1;
    this.#dropped = this.#recorded - this.#acked;
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  /** Whether nothing that is offered will be sent. */
  get closed(): boolean {
    return this.bytesMax < 0;
  }

  /** Whether spans wait to be taken. */
  get waiting(): boolean {
    return this.#queue.length > this.#head || this.#orphans.length > 0;
  }

  /** Whether more spans would not make the next batch any fuller. */
  get holdsBatch(): boolean {
    return this.#queue.length - this.#head >= BATCH_SPANS_MAX || this.#bytes >= BATCH_BYTES_MAX;
  }

  get counts(): Counts {
    const buffered = this.#recorded - this.#acked - this.#dropped;
    return { recorded: this.#recorded, acked: this.#acked, dropped: this.#dropped, buffered };
  }
}
