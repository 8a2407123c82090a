/** The stamp of an item: its place, its order, its clocks, and who brought it. */

import type { ComponentChildren } from "preact";
import { count, dateTime, duration, msOf } from "../../lib/format";
import { copy } from "../../lib/clipboard";
import type { Receipt } from "./findings";

export function Stamp({ receipt }: { receipt: Receipt }) {
  const { identity, clock, record, producer } = receipt;
  return (
    <dl class="stamp" data-test="stamp">
      <Field name="position">
        <button type="button" class="link mono" title="Copy" onClick={() => copy(receipt.position)}>
          {receipt.position}
        </button>
      </Field>
      <Field name="node">{identity.source_node_ref || "trimmed"}</Field>
      <Field name="generation">{identity.boot_generation}</Field>
      <Field name="hybrid clock">
        <span class="mono">{receipt.hlc}</span>
      </Field>
      <Field name="accepted">
        {dateTime(msOf(clock.wall_ns))} {trust(clock)}
      </Field>
      <Field name="record">
        {record.record_index}, item {record.item_index + 1} of {record.item_count}
      </Field>
      <Field name="durability">{receipt.durability}</Field>
      <Field name="content">
        {receipt.payload === "redacted"
          ? redacted(receipt)
          : `stored, ${count(record.payload_bytes)} bytes`}
      </Field>
      <Field name="sender">{producer === null ? "trimmed" : senderOf(producer)}</Field>
      {record.flags.length > 0 && (
        <Field name="flags">{record.flags.join(", ").replaceAll("_", " ")}</Field>
      )}
      <Field name="token">
        <button type="button" class="link mono" title="Copy" onClick={() => copy(receipt.token)}>
          {receipt.token}
        </button>
      </Field>
    </dl>
  );
}

function Field({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function trust({ synced, error_us: error }: Receipt["clock"]): string {
  return synced && error !== null ? `± ${duration(error)}` : "(clock not vouched for)";
}

function senderOf({ door, uid, pid }: NonNullable<Receipt["producer"]>): string {
  const who = [uid === null ? "" : `uid ${uid}`, pid === null ? "" : `pid ${pid}`].filter(Boolean);
  return `${door ?? "unknown"} door${who.length > 0 ? `, ${who.join(", ")}` : ""}`;
}

function redacted({ redaction }: Receipt): string {
  const by = redaction?.actor ? ` by ${redaction.actor}` : "";
  return `redacted${by}${redaction?.reason ? `: ${redaction.reason}` : ""}`;
}
