/**
 * Carries spans to the recorder, each step under its own seq, one at a time.
 *
 *     outbox, open spans ─▶ step ─▶ RECORDS ─▶ ACK: settled │ NACK, EOF: the same step again
 *
 * What comes while a step is under way makes the next one: alone a span leaves after LINGER_MS,
 * under load a batch leaves as soon as the one before is answered. Nothing here keeps the program
 * alive, throws into it or prints.
 */

import { randomBytes } from "node:crypto";

import { Connection } from "./connection.js";
import { backOffCeilingMs, decide, type Decision, isSettled } from "./decision.js";
import type { Frame } from "./frames.js";
import { FrameType } from "./frames.js";
import { INSTANCE_ID_BYTES, LINGER_MS } from "./limits.js";
import { type Markable, OpenSpans } from "./open_spans.js";
import { exportRequest } from "./otlp.js";
import { type EndedItem, Outbox } from "./outbox.js";
import { isToken } from "./w3c.js";
import { type Ack, decodeAck, encodeRecords, type HelloAck } from "./wire.js";

interface Step {
  readonly seq: bigint;
  readonly batch: readonly EndedItem[];
  readonly marks: readonly Markable[];
  readonly body: Buffer;
}

interface Waiter {
  readonly target: number;
  readonly done: () => void;
}

/** The client's one line to the recorder. */
export class Sender {
  readonly outbox: Outbox;
  readonly open: OpenSpans;
  /** The newest token known so far; empty for none. */
  token = "";
  /** What went wrong last, for people; empty for nothing. */
  lastError = "";
  /** Whether a recorder has answered. */
  greeted = false;

  readonly #path: () => string;
  readonly #instanceId = randomBytes(INSTANCE_ID_BYTES);
  #connection: Connection | undefined;
  #step: Step | undefined;
  #nextSeq = 1n;
  #failures = 0;
  #notBeforeMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;
  #waiters = new Set<Waiter>();
  #stopping = false;

  /**
   * @param path Returns the socket's path; asked at each connect.
   * @param bufferBytesMax The bound of the outbox.
   * @param markAfterMs A span that is open longer is announced.
   */
  constructor(path: () => string, bufferBytesMax: number, markAfterMs: number) {
    this.#path = path;
    this.outbox = new Outbox(bufferBytesMax);
    this.open = new OpenSpans(markAfterMs, () => this.#arm(0));
  }

  /** Look for work soon: spans gather for a moment first. */
  wake(): void {
    const hurried = this.#waiters.size > 0 || this.outbox.holdsBatch;
    this.#arm(hurried ? 0 : LINGER_MS);
  }

  /** Look after a span that opened. */
  opened(span: Markable): void {
    const now = performance.now();
    if (this.open.add(span, now) && this.#timer === undefined) {
      this.#arm(this.open.nextMs(now) ?? 0);
    }
  }

  /** An announced span has something new. */
  touch(span: Markable): void {
    this.open.touch(span);
    if (this.#timer === undefined) this.#arm(LINGER_MS);
  }

  /**
   * Wait until the recorder has answered for all that was offered, once in any case.
   *
   * @returns False when the time ran out, or when a span was dropped meanwhile.
   */
  async flush(timeoutMs: number): Promise<boolean> {
    const { recorded, dropped } = this.outbox.counts;
    if (!this.#reached(recorded)) {
      await new Promise<void>((resolve) => {
        // This timer keeps the program alive for as long as somebody waits.
        const timer = setTimeout(() => waiter.done(), timeoutMs);
        const done = (): void => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve();
        };
        const waiter = { target: recorded, done };
        this.#waiters.add(waiter);
        this.#arm(0);
      });
    }
    return this.#reached(recorded) && this.outbox.counts.dropped === dropped;
  }

  /** Send what is buffered and say goodbye; without a recorder give up at once. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    if (this.outbox.waiting || this.#step !== undefined) await this.flush(timeoutMs);
    clearTimeout(this.#timer);
    this.#connection?.goodbye();
    this.#connection = undefined;
    this.outbox.close();
    this.#settled();
  }

  #reached(target: number): boolean {
    const { acked, dropped } = this.outbox.counts;
    return this.outbox.closed || (this.greeted && acked + dropped >= target);
  }

  #settled(): void {
    for (const waiter of [...this.#waiters]) if (this.#reached(waiter.target)) waiter.done();
  }

  #arm(delayMs: number): void {
    const now = performance.now();
    const at = Math.max(now + delayMs, this.#notBeforeMs);
    if (this.#timer !== undefined && this.#timerAtMs <= at) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = at;
    this.#timer = setTimeout(() => this.#look(), at - now).unref();
  }

  #look(): void {
    this.#timer = undefined;
    try {
      this.#pump();
    } catch (error) {
      this.#reopen(error instanceof Error ? error.message : String(error), 0);
    }
    const next = this.open.nextMs(performance.now());
    if (next !== undefined) this.#arm(next);
  }

  #pump(): void {
    if (this.outbox.closed) return;
    const wanted =
      this.#step !== undefined ||
      this.outbox.waiting ||
      this.open.hasNews(performance.now()) ||
      this.#waiters.size > 0 ||
      !this.greeted;
    if (this.#connection === undefined) {
      if (wanted) this.#connect();
      return;
    }
    if (!this.#connection.ready || this.#step !== undefined) return;
    this.#step = this.#makeStep();
    if (this.#step !== undefined) this.#connection.send(this.#step.seq, this.#step.body);
  }

  #makeStep(): Step | undefined {
    const batch = this.outbox.take();
    const marks = this.open.take(performance.now());
    const ended = batch.flatMap(({ endedId }) => endedId ?? []).concat(this.outbox.takeOrphans());
    if (batch.length === 0 && marks.length === 0 && ended.length === 0) return undefined;
    const body = encodeRecords({
      traces: exportRequest(batch.map(({ item }) => item)),
      marks: exportRequest(marks.map((span) => span.mark())),
      ended: Buffer.concat(ended),
    });
    return { seq: this.#nextSeq, batch, marks, body };
  }

  #connect(): void {
    const connection = new Connection(
      this.#path(),
      { instanceId: this.#instanceId, ackedSeq: this.#nextSeq - 1n },
      {
        greeted: (hello) => this.#onGreeted(connection, hello),
        answered: (frame) => this.#onAnswer(connection, frame),
        closed: (reason) => this.#onClosed(connection, reason),
      },
    );
    this.#connection = connection;
  }

  #onGreeted(connection: Connection, hello: HelloAck): void {
    if (connection !== this.#connection) return;
    this.#failures = 0;
    this.greeted = true;
    this.#learn(hello.token);
    if (this.#step !== undefined && isSettled(this.#step.seq, hello.lastSeq)) {
      // Its answer was lost, and it is durable.
      this.#decided(this.#step, { spans: "stored", connection: "keep", waitMs: 0, reason: "" }, 0);
    } else if (this.#step !== undefined) {
      connection.send(this.#step.seq, this.#step.body);
    }
    this.#settled();
    this.#arm(0);
  }

  #onAnswer(connection: Connection, frame: Frame): void {
    if (connection !== this.#connection) return;
    const step = this.#step;
    const decision = decide(frame);
    if (frame.type === FrameType.CONTROL) {
      // The end of the connection follows, and is noticed by itself; answers still come before.
      return;
    }
    if (frame.seq === 0n) return this.#reopen(decision.reason, decision.waitMs);
    if (step === undefined || frame.seq !== step.seq) {
      throw new RangeError(`an answer to seq ${frame.seq}`);
    }
    let rejected = step.batch.length;
    if (frame.type === FrameType.ACK) {
      const ack = decodeAck(frame.body);
      this.#learn(ack.token);
      this.#note(ack);
      rejected = Number(ack.rejectedItems);
    }
    this.#decided(step, decision, rejected);
    if (decision.connection === "reopen") this.#reopen(decision.reason, decision.waitMs);
    else if (decision.spans === "kept") this.#sendLater(decision.waitMs);
    else this.#arm(this.outbox.holdsBatch || this.#waiters.size > 0 ? 0 : LINGER_MS);
  }

  #decided(step: Step, decision: Decision, rejected: number): void {
    if (decision.reason !== "") this.lastError = decision.reason;
    if (decision.spans === "kept") return;
    this.#step = undefined;
    this.#nextSeq = step.seq + 1n;
    this.outbox.settle(step.batch, rejected);
    if (decision.spans === "stored") for (const span of step.marks) span.marked();
    this.#settled();
  }

  /** Send the step again on the same connection, after what the recorder asked for. */
  #sendLater(waitMs: number): void {
    const connection = this.#connection;
    setTimeout(() => {
      const step = this.#step;
      if (step !== undefined && connection !== undefined && connection === this.#connection) {
        connection.send(step.seq, step.body);
      }
    }, waitMs).unref();
  }

  #onClosed(connection: Connection, reason: string): void {
    if (connection === this.#connection) this.#reopen(reason, 0);
  }

  #reopen(reason: string, waitMs: number): void {
    this.lastError = reason;
    this.#connection?.destroy();
    this.#connection = undefined;
    this.#failures++;
    if (this.#stopping) {
      this.outbox.close();
      return this.#settled();
    }
    const ceiling = backOffCeilingMs(this.#failures);
    const delay = waitMs > 0 ? waitMs : ceiling / 2 + (Math.random() * ceiling) / 2;
    this.#notBeforeMs = performance.now() + delay;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const owed = this.#step !== undefined || this.outbox.waiting || this.open.announced > 0;
    if (owed || this.#waiters.size > 0) this.#arm(delay);
  }

  #learn(token: string): void {
    if (isToken(token)) this.token = token;
  }

  #note(ack: Ack): void {
    if (ack.rejectedItems > 0n) {
      this.lastError = `${ack.rejectedItems} spans refused: ${ack.rejectedReason}`;
    }
  }
}
