/** The few parts of protobuf's encoding that a client needs. */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;
const VARINT_BYTES_MAX = 10;
const ONE_BYTE = 0x80;
/** Up to here a loop beats a call into the runtime. */
const SHORT_TEXT = 48;
const TWO_16 = 0x1_0000;
const TWO_32 = 0x1_0000_0000;
const NS_PER_S = 1_000_000_000;
/** The value of a lower-case hex digit by its character code. */
const NIBBLES = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 0 : value;
});

/** A buffer that grows, and is used again: what it returns is copied out of it. */
export class Writer {
  #bytes = Buffer.allocUnsafe(16 * 1024);
  #at = 0;

  /** How many bytes were written. */
  get length(): number {
    return this.#at;
  }

  /** Forget all that was written after `length` bytes. */
  truncate(length: number): void {
    this.#at = length;
  }

  /** Return a copy of what was written, and begin anew. */
  take(): Buffer {
    const copy = Buffer.from(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
    return copy;
  }

  /** Write one byte, a field's tag mostly: `number << 3 | wire type`. */
  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** Write an unsigned integer below 2**53. */
  varint(value: number): void {
    this.#reserve(VARINT_BYTES_MAX);
    while (value >= ONE_BYTE) {
      this.#bytes[this.#at++] = (value % ONE_BYTE) | ONE_BYTE;
      value = Math.floor(value / ONE_BYTE);
    }
    this.#bytes[this.#at++] = value;
  }

  /** Write an integer of -2**63 to 2**64 - 1; a negative one in two's complement. */
  bigVarint(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    this.#reserve(VARINT_BYTES_MAX);
    while (rest >= 0x80n) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | ONE_BYTE;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  fixed64(value: bigint): void {
    this.#reserve(8);
    this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), this.#at);
    this.#at += 8;
  }

  /** Write seconds and nanoseconds as nanoseconds, without a detour over bigint. */
  fixed64Time(seconds: number, nanos: number): void {
    // Halves of 16 bits keep every product and sum below 2**53.
    const high = Math.floor(seconds / TWO_16) * NS_PER_S;
    const low = (high % TWO_16) * TWO_16 + (seconds % TWO_16) * NS_PER_S + nanos;
    this.fixed32(low % TWO_32);
    this.fixed32(Math.floor(high / TWO_16) + Math.floor(low / TWO_32));
  }

  fixed32(value: number): void {
    this.#reserve(4);
    const bytes = this.#bytes;
    bytes[this.#at++] = value;
    bytes[this.#at++] = value >>> 8;
    bytes[this.#at++] = value >>> 16;
    bytes[this.#at++] = value >>> 24;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#bytes.writeDoubleLE(value, this.#at);
    this.#at += 8;
  }

  /** Write bytes as they are. */
  raw(data: Uint8Array): void {
    this.#reserve(data.length);
    this.#bytes.set(data, this.#at);
    this.#at += data.length;
  }

  /** Write a field of bytes: its tag, the length and the bytes. */
  bytes(tag: number, data: Uint8Array): void {
    this.byte(tag);
    this.varint(data.length);
    this.raw(data);
  }

  /** Write a field of text in UTF-8, which must be well bounded. */
  text(tag: number, text: string): void {
    const start = this.open(tag);
    this.#reserve(text.length * 3);
    if (text.length > SHORT_TEXT || !this.#ascii(text)) {
      this.#at = start + this.#bytes.write(text, start, "utf8");
    }
    this.close(start);
  }

  #ascii(text: string): boolean {
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (code >= ONE_BYTE) return false;
      this.#bytes[this.#at++] = code;
    }
    return true;
  }

  /** Write a field of `count` bytes that are given in hex. */
  hex(tag: number, text: string, count: number): void {
    this.#reserve(2 + count);
    this.#bytes[this.#at++] = tag;
    this.#bytes[this.#at++] = count;
    for (let index = 0; index < count; index++) {
      const high = NIBBLES[text.charCodeAt(2 * index)]!;
      this.#bytes[this.#at++] = (high << 4) | NIBBLES[text.charCodeAt(2 * index + 1)]!;
    }
  }

  /** Begin a field whose length is not known yet; `close` wants what this returns. */
  open(tag: number): number {
    this.#reserve(2);
    this.#bytes[this.#at++] = tag;
    // Most lengths fit one byte; the others make room when they are known.
    return ++this.#at;
  }

  /** End the field that `open` began. */
  close(start: number): void {
    const length = this.#at - start;
    if (length < ONE_BYTE) {
      this.#bytes[start - 1] = length;
      return;
    }
    let extra = 0;
    for (let rest = length; rest >= ONE_BYTE; rest = Math.floor(rest / ONE_BYTE)) extra++;
    this.#reserve(extra);
    this.#bytes.copyWithin(start + extra, start, this.#at);
    this.#at = start - 1;
    this.varint(length);
    this.#at += length;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

/** A field as it was read: numbers as bigint, text and messages as bytes. */
export type Field = readonly [number: number, value: bigint | Buffer];

/**
 * Yield the fields of a message in their order; unknown ones too, as protobuf asks.
 *
 * @throws {RangeError} The message ends within a field or holds what protobuf does not know.
 */
export function* fields(body: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      const byte = body[at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < ONE_BYTE) return BigInt.asUintN(64, value);
    }
    throw new RangeError("a varint does not end");
  };
  while (at < body.length) {
    const key = varint();
    const number = Number(key >> 3n);
    const kind = Number(key & 7n);
    if (kind === VARINT) {
      yield [number, varint()];
      continue;
    }
    if (kind !== LENGTH_DELIMITED && kind !== FIXED64 && kind !== FIXED32) {
      throw new RangeError(`field ${number} has wire type ${kind}`);
    }
    const length = kind === LENGTH_DELIMITED ? Number(varint()) : kind === FIXED64 ? 8 : 4;
    if (at + length > body.length) throw new RangeError(`field ${number} is not complete`);
    const data = body.subarray(at, at + length);
    at += length;
    if (kind === LENGTH_DELIMITED) yield [number, data];
    else yield [number, kind === FIXED64 ? data.readBigUInt64LE() : BigInt(data.readUInt32LE())];
  }
}
