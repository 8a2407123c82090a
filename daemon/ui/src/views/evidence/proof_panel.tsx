/** The way from a record to a signature, checked here and not by the daemon that is asked. */

import { useEffect, useState } from "preact/hooks";
import type { Receipt } from "./findings";
import { check, type Checked } from "./proof";

export function ProofOf({ receipt }: { receipt: Receipt }) {
  const { checkpoint, inclusion, record } = receipt;
  const pinned = receipt.key_pinned ? ", which is pinned" : "";
  const [checked, setChecked] = useState<Checked | Error | null>(null);
  useEffect(() => {
    let current = true;
    setChecked(null);
    if (checkpoint === null || inclusion === null) return undefined;
    check({
      leaf: record.leaf,
      leafIndex: BigInt(inclusion.leaf_index),
      size: BigInt(checkpoint.size),
      path: inclusion.path,
      note: checkpoint.note,
      key: checkpoint.key,
    }).then(
      (found) => current && setChecked(found),
      (error: unknown) =>
        current && setChecked(error instanceof Error ? error : new Error(String(error))),
    );
    return () => {
      current = false;
    };
  }, [receipt]);
  return (
    <section class="proof" aria-label="Proof" data-test="proof">
      <h3>Proof</h3>
      {checkpoint === null || inclusion === null ? (
        <p>
          No checkpoint covers it{receipt.uncovered_reason ? `: ${receipt.uncovered_reason}` : ""}.
          The daemon signs one about a second after the first record that none covers.
        </p>
      ) : (
        <ol class="proof-chain">
          <li>
            <strong>leaf {inclusion.leaf_index}</strong>
            <code>{record.leaf}</code>
          </li>
          <li>
            <strong>{inclusion.path.length} hashes up</strong>
            <span>{included(checked)}</span>
          </li>
          <li>
            <strong>root of {checkpoint.size}</strong>
            <code>{checkpoint.root}</code>
          </li>
          <li>
            <strong>signed by</strong>
            <code>{checkpoint.key}</code>
            <span>{signed(checked)}</span>
            <span>
              {checkpoint.certified_by === null
                ? "certified by no node key"
                : `certified by ${checkpoint.certified_by}${pinned}`}
            </span>
          </li>
        </ol>
      )}
    </section>
  );
}

const PENDING = "checking…";

function included(checked: Checked | Error | null) {
  if (checked === null) return PENDING;
  if (checked instanceof Error) return <b class="bad">not checked: {checked.message}</b>;
  return checked.included ? (
    <b class="good">lead to this root: checked in this browser</b>
  ) : (
    <b class="bad">do not lead to this root</b>
  );
}

function signed(checked: Checked | Error | null) {
  if (checked === null) return PENDING;
  if (checked instanceof Error) return <b class="bad">not checked</b>;
  if (checked.signed === null) return "this browser cannot check Ed25519";
  return checked.signed ? (
    <b class="good">signature holds: checked in this browser</b>
  ) : (
    <b class="bad">the signature does not hold</b>
  );
}
