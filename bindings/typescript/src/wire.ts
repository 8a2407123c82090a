/** The messages of `sidespan.v1` that a client speaks; proto/sidespan/v1/recorder.proto. */

import { type Field, fields, Writer } from "./protobuf.js";
import { VERSION } from "./version.js";

export const PROTOCOL_VERSION = 1;
export const CLIENT = `sidespan-typescript/${VERSION}`;

/** Numbers of `Nack.Code` that a client acts on. */
export const NackCode = { TOO_LARGE: 2, OUT_OF_ORDER: 4 } as const;

export interface Hello {
  readonly instanceId: Uint8Array;
  readonly protocolVersionMin: number;
  readonly protocolVersionMax: number;
  readonly client: string;
  /** The highest seq that has been decided; 0 when there is none. */
  readonly ackedSeq: bigint;
}

/** Encoded messages of one step; an empty one becomes no record. */
export interface Records {
  readonly traces: Uint8Array;
  readonly marks: Uint8Array;
  readonly logs: Uint8Array;
  /** 24 bytes each: the trace id and span id of a marked span that ends with this step. */
  readonly ended: Uint8Array;
}

export interface HelloAck {
  readonly protocolVersion: number;
  readonly lastSeq: bigint;
  readonly messageBytesMax: bigint;
  readonly unackedBytesMax: bigint;
  readonly token: string;
  readonly sourceNodeRef: string;
}

export interface Ack {
  /** Both inclusive; 0 when nothing was stored. */
  readonly firstLsn: bigint;
  readonly lastLsn: bigint;
  readonly hlcWallNs: bigint;
  readonly hlcLogical: number;
  readonly token: string;
  readonly rejectedItems: bigint;
  readonly rejectedReason: string;
  readonly duplicate: boolean;
}

export interface Nack {
  readonly code: number;
  readonly text: string;
  /** 0: the seq is used up. */
  readonly retryAfterMs: number;
}

const NOTHING = new Uint8Array();
const out = new Writer();

/** Return an encoded Hello. */
export function encodeHello(hello: Hello): Buffer {
  out.bytes(0x0a, hello.instanceId);
  number(0x10, BigInt(hello.protocolVersionMin));
  number(0x18, BigInt(hello.protocolVersionMax));
  if (hello.client !== "") out.text(0x22, hello.client);
  number(0x28, hello.ackedSeq);
  return out.take();
}

/** Return an encoded Records. */
export function encodeRecords(records: Partial<Records>): Buffer {
  const { traces = NOTHING, marks = NOTHING, logs = NOTHING, ended = NOTHING } = records;
  if (traces.length > 0) out.bytes(0x0a, traces);
  if (marks.length > 0) out.bytes(0x12, marks);
  if (logs.length > 0) out.bytes(0x1a, logs);
  if (ended.length > 0) out.bytes(0x22, ended);
  return out.take();
}

/** @throws {RangeError} `body` is not a message. */
export function decodeHelloAck(body: Buffer): HelloAck {
  const found = new Found(fields(body));
  return {
    protocolVersion: Number(found.number(1)),
    lastSeq: found.number(2),
    messageBytesMax: found.number(3),
    unackedBytesMax: found.number(4),
    token: found.text(5),
    sourceNodeRef: found.text(6),
  };
}

/** @throws {RangeError} `body` is not a message. */
export function decodeAck(body: Buffer): Ack {
  const found = new Found(fields(body));
  return {
    firstLsn: found.number(1),
    lastLsn: found.number(2),
    hlcWallNs: found.number(3),
    hlcLogical: Number(BigInt.asUintN(32, found.number(4))),
    token: found.text(5),
    rejectedItems: found.number(6),
    rejectedReason: found.text(7),
    duplicate: found.number(8) !== 0n,
  };
}

/** @throws {RangeError} `body` is not a message. */
export function decodeNack(body: Buffer): Nack {
  const found = new Found(fields(body));
  return {
    code: Number(BigInt.asIntN(32, found.number(1))),
    text: found.text(2),
    retryAfterMs: Number(BigInt.asUintN(32, found.number(3))),
  };
}

/** Tell whether a Control announces the daemon's stop. @throws {RangeError} as above. */
export function decodeDrain(body: Buffer): boolean {
  return new Found(fields(body)).number(1) !== 0n;
}

function number(tag: number, value: bigint): void {
  if (value === 0n) return;
  out.byte(tag);
  out.bigVarint(value);
}

/** The last value of each field, as protobuf asks. */
class Found {
  readonly #fields: Map<number, bigint | Buffer>;

  constructor(found: Iterable<Field>) {
    this.#fields = new Map(found);
  }

  number(field: number): bigint {
    const value = this.#fields.get(field);
    return typeof value === "bigint" ? value : 0n;
  }

  text(field: number): string {
    const value = this.#fields.get(field);
    return Buffer.isBuffer(value) ? value.toString("utf8") : "";
  }
}
