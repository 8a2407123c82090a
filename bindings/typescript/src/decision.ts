/** What an answer means for a step and its connection. Pure; bindings/conformance/retry.json. */

import { type Frame, FrameType } from "./frames.js";
import { RETRY_AFTER_MAX_MS, RETRY_DELAY_FIRST_MS, RETRY_DELAY_MAX_MS } from "./limits.js";
import { decodeNack, NackCode } from "./wire.js";

export interface Decision {
  /** What becomes of the step's spans; `kept` ones are sent again under the same seq. */
  readonly spans: "stored" | "dropped" | "kept";
  /** `reopen`: connect again and send HELLO. */
  readonly connection: "keep" | "reopen";
  /** For so long at least nothing is sent; 0 with `reopen` leaves it to the back-off. */
  readonly waitMs: number;
  /** Why, when the spans are not stored. */
  readonly reason: string;
}

const AGAIN: Decision = { spans: "kept", connection: "reopen", waitMs: 0, reason: "" };

/** Tell whether HELLO_ACK settles a step whose answer was lost: it is durable, and not sent again. */
export function isSettled(seq: bigint, lastSeq: bigint): boolean {
  return seq <= lastSeq;
}

/**
 * Return what follows from the frame that answers a step, or from the connection's end.
 *
 * @param answer Undefined for the end.
 * @throws {RangeError} It is not an answer; the connection is to be closed.
 */
export function decide(answer: Frame | undefined): Decision {
  if (answer === undefined) return { ...AGAIN, reason: "the daemon closed the connection" };
  if (answer.type === FrameType.ACK) {
    return { spans: "stored", connection: "keep", waitMs: 0, reason: "" };
  }
  if (answer.type === FrameType.CONTROL) return { ...AGAIN, reason: "the daemon is stopping" };
  const { code, text, retryAfterMs } = decodeNack(answer.body);
  const waitMs = Math.min(retryAfterMs, RETRY_AFTER_MAX_MS);
  if (answer.seq === 0n) {
    // A refused session uses no seq up; another daemon may take it.
    const reason = `session refused: ${text}`;
    return { ...AGAIN, waitMs: Math.max(waitMs, RETRY_DELAY_MAX_MS), reason };
  }
  if (retryAfterMs === 0) {
    const connection = code === NackCode.TOO_LARGE ? "reopen" : "keep";
    return { spans: "dropped", connection, waitMs: 0, reason: `spans refused: ${text}` };
  }
  const connection = code === NackCode.OUT_OF_ORDER ? "reopen" : "keep";
  return { spans: "kept", connection, waitMs, reason: `spans not taken: ${text}` };
}

/** Return the longest wait after `failures` failures in a row, 1 or more. */
export function backOffCeilingMs(failures: number): number {
  return Math.min(RETRY_DELAY_FIRST_MS * 2 ** Math.min(failures - 1, 30), RETRY_DELAY_MAX_MS);
}
