/**
 * Checks a receipt in the browser: that its record is under the signed root, and who signed that.
 *
 * Source: RFC 9162 section 2.1.3.2 for the path; c2sp.org/signed-note for the signature.
 */

export interface Proof {
  /** SHA-256 of the record's header and edges. */
  readonly leaf: string;
  readonly leafIndex: bigint;
  readonly size: bigint;
  /** Base64, from the leaf up. */
  readonly path: readonly string[];
  /** The signed note. */
  readonly note: string;
  /** The verifier key that the receipt names. */
  readonly key: string;
}

export interface Checked {
  /** Whether the path leads from the leaf to the root in the note. */
  readonly included: boolean;
  /** Whether the key signed the note; null where this browser cannot check Ed25519. */
  readonly signed: boolean | null;
}

/**
 * Checks a proof.
 *
 * @throws Error the proof is malformed, or the page is not allowed to compute hashes.
 */
export async function check(proof: Proof): Promise<Checked> {
  const note = parseNote(proof.note);
  const root = await rootOf(hex(proof.leaf), proof.leafIndex, proof.size, proof.path.map(base64));
  const included = note.size === proof.size && root !== null && same(root, note.root);
  return { included, signed: await isSigned(note, proof.key) };
}

/** Returns the root that a path leads to; null when it cannot be one of a tree of that size. */
export async function rootOf(
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  path: readonly Uint8Array[],
): Promise<Uint8Array | null> {
  if (index >= size) return null;
  let node = index;
  let last = size - 1n;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0n) return null;
    if ((node & 1n) === 1n || node === last) {
      hash = await interior(sibling, hash);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = await interior(hash, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? hash : null;
}

interface Note {
  /** What is signed, its last newline included. */
  readonly text: string;
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly signatures: readonly { readonly name: string; readonly blob: Uint8Array }[];
}

function parseNote(note: string): Note {
  const at = note.lastIndexOf("\n\n");
  if (at < 0) throw new Error("the checkpoint is not a signed note");
  const text = note.slice(0, at + 1);
  const [, size = "", root = ""] = text.split("\n");
  if (!/^(0|[1-9]\d*)$/.test(size)) throw new Error("the checkpoint states no size");
  const signatures = note
    .slice(at + 2)
    .split("\n")
    .flatMap((line) => {
      const found = /^— (\S+) (\S+)$/.exec(line);
      return found === null ? [] : [{ name: found[1]!, blob: base64(found[2]!) }];
    });
  return { text, size: BigInt(size), root: base64(root), signatures };
}

const ED25519 = 1;
const KEY_ID_BYTES = 4;

async function isSigned(note: Note, key: string): Promise<boolean | null> {
  const found = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(key);
  if (found === null) throw new Error("the receipt names no key");
  const [, name, id, encoded] = found as unknown as [string, string, string, string];
  const typed = base64(encoded);
  const named = new TextEncoder().encode(`${name}\n`);
  const digest = await sha256(concat(named, typed));
  if (typed[0] !== ED25519 || !same(digest.subarray(0, KEY_ID_BYTES), hex(id))) return false;
  const blob = note.signatures.find(
    (one) => one.name === name && same(one.blob.subarray(0, KEY_ID_BYTES), hex(id)),
  )?.blob;
  if (blob === undefined) return false;
  let imported: CryptoKey;
  try {
    imported = await crypto.subtle.importKey("raw", typed.slice(1), "Ed25519", false, ["verify"]);
  } catch {
    return null;
  }
  const signed = new TextEncoder().encode(note.text);
  return crypto.subtle.verify("Ed25519", imported, blob.slice(KEY_ID_BYTES), signed);
}

async function interior(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(concat(Uint8Array.of(1), left, right));
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function hex(text: string): Uint8Array<ArrayBuffer> {
  if (!/^([0-9a-f]{2})+$/.test(text)) throw new Error("expected hex");
  return Uint8Array.from({ length: text.length / 2 }, (_, at) =>
    parseInt(text.slice(2 * at, 2 * at + 2), 16),
  );
}

function base64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
