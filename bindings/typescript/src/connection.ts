/** One connection to ingest.sock: HELLO, then steps and their answers. Never throws outward. */

import { createConnection, type Socket } from "node:net";

import { type Frame, frameHead, FrameSplitter, FrameType } from "./frames.js";
import { CONNECT_TIMEOUT_MS, REPLY_TIMEOUT_MS } from "./limits.js";
import {
  CLIENT,
  decodeHelloAck,
  decodeNack,
  encodeHello,
  type HelloAck,
  PROTOCOL_VERSION,
} from "./wire.js";

/** Who opens the session, and how far it came. */
export interface Opening {
  readonly instanceId: Uint8Array;
  readonly ackedSeq: bigint;
}

/** What a connection tells; `closed` is the last, and comes once unless `destroy` was called. */
export interface Listener {
  greeted(hello: HelloAck): void;
  answered(frame: Frame): void;
  closed(reason: string): void;
}

/** A socket that is connecting, or connected. It does not keep the program alive. */
export class Connection {
  /** Whether steps may be sent. */
  ready = false;
  readonly #socket: Socket;
  readonly #splitter = new FrameSplitter();
  readonly #listener: Listener;
  #deadline: NodeJS.Timeout | undefined;
  #over = false;

  constructor(path: string, opening: Opening, listener: Listener) {
    this.#listener = listener;
    this.#await(CONNECT_TIMEOUT_MS, "no connection");
    this.#socket = createConnection({ path });
    this.#socket.unref();
    this.#socket.on("connect", () => {
      const hello = encodeHello({
        instanceId: opening.instanceId,
        protocolVersionMin: PROTOCOL_VERSION,
        protocolVersionMax: PROTOCOL_VERSION,
        client: CLIENT,
        ackedSeq: opening.ackedSeq,
      });
      this.#write(FrameType.HELLO, 0n, hello);
      this.#await(REPLY_TIMEOUT_MS, "no answer to HELLO");
    });
    this.#socket.on("data", (chunk) => this.#guarded(() => this.#receive(chunk)));
    this.#socket.on("error", (error) => this.#fail(`${path}: ${error.message}`));
    this.#socket.on("close", () => this.#fail("the daemon closed the connection"));
  }

  /** Send one step; it is answered, or the connection fails. */
  send(seq: bigint, records: Buffer): void {
    this.#write(FrameType.RECORDS, seq, records);
    this.#await(REPLY_TIMEOUT_MS, "no answer");
  }

  /** Leave in order. */
  goodbye(): void {
    this.#over = true;
    clearTimeout(this.#deadline);
    this.#socket.end(frameHead(FrameType.BYE, 0n, 0));
  }

  /** Let go at once. */
  destroy(): void {
    this.#over = true;
    clearTimeout(this.#deadline);
    this.#socket.destroy();
  }

  #write(type: number, seq: bigint, body: Buffer): void {
    this.#socket.cork();
    this.#socket.write(frameHead(type, seq, body.length));
    this.#socket.write(body);
    this.#socket.uncork();
  }

  #receive(chunk: Buffer): void {
    for (const frame of this.#splitter.feed(chunk)) {
      if (this.#over) return;
      if (!this.ready && frame.type === FrameType.HELLO_ACK) {
        clearTimeout(this.#deadline);
        this.ready = true;
        this.#listener.greeted(decodeHelloAck(frame.body));
      } else if (frame.type === FrameType.HELLO_ACK) {
        throw new RangeError("a second HELLO_ACK");
      } else if (!this.ready && frame.type === FrameType.ACK) {
        throw new RangeError("an answer before HELLO_ACK");
      } else {
        if (frame.type === FrameType.NACK) decodeNack(frame.body);
        if (frame.type !== FrameType.CONTROL) clearTimeout(this.#deadline);
        this.#listener.answered(frame);
      }
    }
  }

  #await(timeoutMs: number, what: string): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#fail(`${what} within ${timeoutMs} ms`), timeoutMs);
    this.#deadline.unref();
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #fail(reason: string): void {
    if (this.#over) return;
    this.destroy();
    this.#listener.closed(reason);
  }
}
