import { describe, expect, test } from "vitest";
import { findingsOf, type Receipt } from "../../src/views/evidence/findings";
import { check, rootOf, type Proof } from "../../src/views/evidence/proof";
import receipt from "./receipt.json";

const whole = receipt as unknown as Receipt;
const proof: Proof = {
  leaf: whole.record.leaf,
  leafIndex: BigInt(whole.inclusion!.leaf_index),
  size: BigInt(whole.checkpoint!.size),
  path: whole.inclusion!.path,
  note: whole.checkpoint!.note,
  key: whole.checkpoint!.key,
};

describe("the proof of a receipt that a daemon gave", () => {
  test("holds as it is", async () => {
    expect(await check(proof)).toEqual({ included: true, signed: true });
  });

  test.each<[string, Partial<Proof>]>([
    ["another leaf", { leaf: "00".repeat(32) }],
    ["another place", { leafIndex: proof.leafIndex - 1n }],
    ["another size", { size: proof.size - 1n }],
    ["a path that lacks its end", { path: proof.path.slice(0, -1) }],
    ["a path of more", { path: [...proof.path, proof.path[0]!] }],
    ["an index outside the tree", { leafIndex: proof.size }],
  ])("does not include %s", async (_, part) => {
    expect((await check({ ...proof, ...part })).included).toBe(false);
  });

  test("is not signed by who did not sign it", async () => {
    const resized = {
      ...proof,
      note: proof.note.replace(`\n${proof.size}\n`, `\n${proof.size + 1n}\n`),
    };
    const other = proof.key.replace(/.{6}$/, "AAAAAA");

    expect((await check(resized)).signed).toBe(false);
    expect((await check({ ...proof, key: other })).signed).toBe(false);
  });

  test("that is malformed is an error", async () => {
    await expect(check({ ...proof, note: "no note" })).rejects.toThrow("not a signed note");
    await expect(check({ ...proof, leaf: "xyz" })).rejects.toThrow("hex");
  });

  test("of a log of one record is its leaf", async () => {
    const leaf = new Uint8Array(32).fill(7);

    expect(await rootOf(leaf, 0n, 1n, [])).toEqual(leaf);
  });
});

describe("what a receipt establishes", () => {
  test("is what its fields say, and no more", () => {
    const { established, notEstablished } = findingsOf(whole);

    expect(established.some((line) => line.includes(`LSN ${whole.lsn}`))).toBe(true);
    expect(established.some((line) => line.includes("signed checkpoint"))).toBe(true);
    expect(notEstablished.some((line) => line.includes("vouches for itself"))).toBe(true);
    expect(notEstablished.some((line) => line.includes("what it says is true"))).toBe(true);
  });

  test("shrinks when no checkpoint covers it", () => {
    const bare: Receipt = {
      ...whole,
      covered: false,
      uncovered_reason: "no checkpoint was signed since",
      checkpoint: null,
      inclusion: null,
      durability: "none",
      payload: "redacted",
    };
    const { established, notEstablished } = findingsOf(bare);
    const open = notEstablished.join("\n");

    expect(established.join("\n")).not.toContain("checkpoint");
    expect(established.join("\n")).not.toContain("on this node's disk");
    expect(open).toContain("(no checkpoint was signed since)");
    expect(open).toContain("power cut");
    expect(open).toContain("redacted");
  });

  test("names a pinned key that certified the signer", () => {
    const pinned: Receipt = {
      ...whole,
      key_pinned: true,
      checkpoint: { ...whole.checkpoint!, certified_by: "node+abc" },
    };

    expect(findingsOf(pinned).established.join("\n")).toContain("pinned node key node+abc");
    expect(findingsOf(pinned).notEstablished.join("\n")).not.toContain("Who signed");
  });
});
