/** Server-sent events read with fetch, because an EventSource can send no token. */

import { signal as reactive } from "@preact/signals";
import { ApiError, address, send, type Query } from "./api";

export interface StreamEvent {
  type: string;
  id: string;
  data: string;
}

/** Since when the daemon does not answer, in milliseconds since 1970; null while it does. */
export const lostAtMs = reactive<number | null>(null);
/** How often the daemon has come back; what failed meanwhile is asked again. */
export const returns = reactive(0);

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;

/**
 * Splits a stream of text into events. Text comes in pieces of any size; an event is given out when
 * the empty line after it has come. Source: HTML standard, "Server-sent events", section 9.2.6.
 */
export class EventParser {
  private rest = "";
  private lastId = "";

  /** Takes the next piece; returns the events that it completes, in order. */
  push(text: string): StreamEvent[] {
    this.rest += text;
    const blocks = this.rest.split(/\r\n\r\n|\n\n|\r\r/);
    this.rest = blocks.pop()!;
    return blocks.map((block) => this.event(block)).filter((event) => event !== null);
  }

  private event(block: string): StreamEvent | null {
    let type = "message";
    const data: string[] = [];
    for (const line of block.split(/\r\n|\n|\r/)) {
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") type = value;
      else if (field === "data") data.push(value);
      else if (field === "id") this.lastId = value;
    }
    return data.length ? { type, id: this.lastId, data: data.join("\n") } : null;
  }
}

/**
 * Follows `/v1/stream` until `signal` says stop: connects again after a loss, with a growing pause,
 * and resumes behind the last event that it gave out.
 *
 * @param query `q`, `trace_id`, and `after`: the position behind which to begin.
 * @param on.event Called for each event, in order.
 * @param on.state Called when the connection is made (true) or lost (false).
 */
export async function follow(
  query: Query,
  on: { event: (event: StreamEvent) => void; state?: (live: boolean) => void },
  signal: AbortSignal,
): Promise<void> {
  let last = "";
  let pause = RETRY_MS_MIN;
  while (!signal.aborted) {
    try {
      const answer = await send(address("/v1/stream", query), {
        signal,
        headers: { accept: "text/event-stream", ...(last ? { "last-event-id": last } : {}) },
      });
      if (lostAtMs.peek() !== null) returns.value += 1;
      lostAtMs.value = null;
      on.state?.(true);
      pause = RETRY_MS_MIN;
      const parser = new EventParser();
      const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        for (const event of parser.push(value)) {
          last = event.id || last;
          on.event(event);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError && error.status === 0) lostAtMs.value ??= Date.now();
      // What the daemon refuses for good, it refuses again.
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) {
        on.state?.(false);
        return;
      }
    }
    if (signal.aborted) return;
    on.state?.(false);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, RETRY_MS_MAX);
  }
}
