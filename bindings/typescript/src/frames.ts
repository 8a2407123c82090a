/** The frames of ingest.sock: `u32 length | u8 type | u64 seq | body`; proto/README.md has it all. */

import { REPLY_BYTES_MAX } from "./limits.js";

/** What a frame is; up to 15 from the client, from 16 on from the recorder. */
export const FrameType = {
  HELLO: 1,
  RECORDS: 2,
  BYE: 3,
  HELLO_ACK: 16,
  ACK: 17,
  NACK: 18,
  CONTROL: 19,
} as const;

const HEADER_BYTES = 13;
/** The length counts all that comes after itself. */
const LENGTH_BYTES = 4;

/** One frame from the recorder. */
export interface Frame {
  readonly type: number;
  readonly seq: bigint;
  readonly body: Buffer;
}

/** Return the head of a frame; its body follows. */
export function frameHead(type: number, seq: bigint, bodyBytes: number): Buffer {
  const head = Buffer.allocUnsafe(HEADER_BYTES);
  head.writeUInt32BE(HEADER_BYTES - LENGTH_BYTES + bodyBytes, 0);
  head.writeUInt8(type, LENGTH_BYTES);
  head.writeBigUInt64BE(seq, LENGTH_BYTES + 1);
  return head;
}

/** Cuts what the recorder sends into frames. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** How many bytes of an incomplete frame are held. */
  get restBytes(): number {
    return this.#rest.length;
  }

  /**
   * Return the frames that are complete with `chunk`.
   *
   * @throws {RangeError} The peer is no recorder; the connection is to be closed.
   */
  feed(chunk: Buffer): Frame[] {
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const frames: Frame[] = [];
    while (data.length >= LENGTH_BYTES) {
      const length = data.readUInt32BE(0);
      if (length < HEADER_BYTES - LENGTH_BYTES || length > REPLY_BYTES_MAX) {
        throw new RangeError(`a frame of ${length} bytes`);
      }
      if (data.length > LENGTH_BYTES) checkType(data.readUInt8(LENGTH_BYTES));
      if (data.length < LENGTH_BYTES + length) break;
      frames.push({
        type: data.readUInt8(LENGTH_BYTES),
        seq: data.readBigUInt64BE(LENGTH_BYTES + 1),
        body: data.subarray(HEADER_BYTES, LENGTH_BYTES + length),
      });
      data = data.subarray(LENGTH_BYTES + length);
    }
    this.#rest = data;
    return frames;
  }
}

function checkType(type: number): void {
  if (type < FrameType.HELLO_ACK || type > FrameType.CONTROL) {
    throw new RangeError(`a frame of type ${type} is not an answer`);
  }
}
