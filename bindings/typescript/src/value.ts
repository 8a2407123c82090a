/**
 * Any JavaScript value as an OTLP `AnyValue`, whatever the value does while it is looked at.
 *
 * Text, numbers, bytes, arrays and objects keep their type; an error is its text, a `Date` its ISO
 * form, anything else what `String` makes of it. What is too large, too deep or throws becomes a
 * text in angle brackets that says so, and the rest of the value is kept.
 */

import { KEY_BYTES_MAX, VALUE_BYTES_MAX, VALUE_DEPTH_MAX, VALUE_ITEMS_MAX } from "./limits.js";
import type { Writer } from "./protobuf.js";

const STRING = 0x0a;
const BOOL = 0x10;
const INT = 0x18;
const DOUBLE = 0x21;
const ARRAY = 0x2a;
const KVLIST = 0x32;
const BYTES = 0x3a;
const MEMBER = 0x0a;
const SECOND = 0x12;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Write `value` as an AnyValue of about VALUE_BYTES_MAX; throws nothing. */
export function writeAnyValue(out: Writer, value: unknown): void {
  // Most attributes are a short text or a small number.
  if (typeof value === "string" && value.length * 3 <= VALUE_BYTES_MAX) out.text(STRING, value);
  else new Budget(out).write(value, VALUE_DEPTH_MAX);
}

/** Return `text`; over `bytesMax` bytes of UTF-8 its beginning and a note of its length. */
export function cutText(text: string, bytesMax: number): string {
  // One UTF-16 unit takes three bytes at most: most texts need no second look.
  if (text.length * 3 <= bytesMax) return text;
  if (text.length <= bytesMax && Buffer.byteLength(text) <= bytesMax) return text;
  const note = `…<cut: ${codePoints(text)} characters>`;
  const kept = Math.max(0, bytesMax - Buffer.byteLength(note));
  return utf8Prefix(text, kept) + note;
}

/** Return an attribute's key, at most KEY_BYTES_MAX bytes long. */
export function cutKey(key: unknown): string {
  return cutText(typeof key === "string" ? key : safeText(key), KEY_BYTES_MAX);
}

/** Return `value` when it is a text, else what `String` makes of it; throws nothing. */
export function safeText(value: unknown): string {
  try {
    return typeof value === "string" ? value : String(value);
  } catch (error) {
    return failed(value, error);
  }
}

function codePoints(text: string): number {
  let pairs = 0;
  for (let index = 0; index < text.length; index++) {
    if (isPairStart(text, index)) pairs++;
  }
  return text.length - pairs;
}

function utf8Prefix(text: string, bytesMax: number): string {
  let size = 0;
  let end = 0;
  while (end < text.length) {
    const units = isPairStart(text, end) ? 2 : 1;
    const code = text.charCodeAt(end);
    size += units === 2 ? 4 : code < 0x80 ? 1 : code < 0x800 ? 2 : 3;
    if (size > bytesMax) break;
    end += units;
  }
  return text.slice(0, end);
}

function isPairStart(text: string, index: number): boolean {
  const high = text.charCodeAt(index);
  if (high < 0xd800 || high > 0xdbff) return false;
  const low = text.charCodeAt(index + 1);
  return low >= 0xdc00 && low <= 0xdfff;
}

function failed(value: unknown, error: unknown): string {
  return `<${typeName(value)}: ${typeName(error)}>`;
}

function typeName(value: unknown): string {
  try {
    const name: unknown =
      typeof value === "object" && value !== null ? value.constructor?.name : typeof value;
    return typeof name === "string" && name !== "" ? name.slice(0, 64) : "object";
  } catch {
    return "object";
  }
}

/** How much of one value may still be written, all nesting together. */
class Budget {
  #bytesLeft = VALUE_BYTES_MAX;
  #itemsLeft = VALUE_ITEMS_MAX;

  constructor(private readonly out: Writer) {}

  write(value: unknown, depth: number): void {
    const start = this.out.length;
    try {
      this.#typed(value, depth);
    } catch (error) {
      this.out.truncate(start);
      this.#text(failed(value, error));
    }
  }

  #typed(value: unknown, depth: number): void {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#number(value);
      case "boolean":
        this.out.byte(BOOL);
        return this.out.byte(value ? 1 : 0);
      case "bigint":
        if (value < INT64_MIN || value > INT64_MAX) return this.#text(String(value));
        this.out.byte(INT);
        return this.out.bigVarint(value);
      case "undefined":
        return;
      case "object":
        if (value !== null) this.#object(value, depth);
        return;
      default:
        return this.#text(String(value));
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.out.byte(INT);
      if (value >= 0) this.out.varint(value);
      else this.out.bigVarint(BigInt(value));
      return;
    }
    this.out.byte(DOUBLE);
    this.out.double(value);
  }

  #text(text: string): void {
    const cut = cutText(text, Math.max(0, this.#bytesLeft));
    this.#bytesLeft -= cut.length;
    this.out.text(STRING, cut);
  }

  #object(value: object, depth: number): void {
    if (value instanceof Uint8Array) return this.#binary(value);
    if (value instanceof Error) return this.#text(String(value));
    if (value instanceof Date) return this.#text(value.toISOString());
    if (depth <= 0) return this.#text(`<${typeName(value)}: nested too deep>`);
    if (Array.isArray(value)) return this.#array(value, value.length, depth);
    if (value instanceof Set) return this.#array(value, value.size, depth);
    if (value instanceof Map) return this.#map(value, value.size, depth);
    if ("toJSON" in value && typeof value.toJSON === "function") {
      return this.#typed(value.toJSON(), depth - 1);
    }
    const keys = Object.keys(value);
    return this.#map(entries(value, keys), keys.length, depth);
  }

  #binary(value: Uint8Array): void {
    if (value.length > this.#bytesLeft) return this.#text(`<bytes: ${value.length} bytes>`);
    this.#bytesLeft -= value.length;
    this.out.bytes(BYTES, value);
  }

  #array(values: Iterable<unknown>, size: number, depth: number): void {
    const list = this.out.open(ARRAY);
    let left = size;
    for (const member of values) {
      if (!this.#affords()) break;
      left--;
      const item = this.out.open(MEMBER);
      this.write(member, depth - 1);
      this.out.close(item);
    }
    if (left > 0) {
      const item = this.out.open(MEMBER);
      this.out.text(STRING, `<${left} more of ${size}>`);
      this.out.close(item);
    }
    this.out.close(list);
  }

  #map(pairs: Iterable<readonly [unknown, unknown]>, size: number, depth: number): void {
    const list = this.out.open(KVLIST);
    let left = size;
    for (const [key, member] of pairs) {
      if (!this.#affords()) break;
      left--;
      this.#pair(cutKey(key), () => this.write(member, depth - 1));
    }
    if (left > 0) this.#pair("<cut>", () => this.out.text(STRING, `<${left} more of ${size}>`));
    this.out.close(list);
  }

  #pair(key: string, write: () => void): void {
    const pair = this.out.open(MEMBER);
    this.#bytesLeft -= key.length;
    this.out.text(MEMBER, key);
    const member = this.out.open(SECOND);
    write();
    this.out.close(member);
    this.out.close(pair);
  }

  #affords(): boolean {
    return this.#bytesLeft > 0 && this.#itemsLeft-- > 0;
  }
}

function* entries(value: object, keys: readonly string[]): Generator<readonly [string, unknown]> {
  for (const key of keys) {
    let member: unknown;
    try {
      member = (value as Record<string, unknown>)[key];
    } catch (error) {
      member = failed(value, error);
    }
    yield [key, member];
  }
}
