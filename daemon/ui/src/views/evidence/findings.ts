/** What a receipt establishes and what it does not, in sentences; see docs/evidence.md. */

export interface Receipt {
  readonly trace_id: string | null;
  readonly span_id: string | null;
  readonly name: string | null;
  readonly position: string;
  readonly lsn: string;
  readonly hlc: string;
  readonly token: string;
  readonly durability: string;
  readonly payload: string;
  readonly covered: boolean;
  readonly uncovered_reason: string | null;
  readonly key_pinned: boolean;
  readonly identity: {
    readonly source_node_ref: string;
    readonly node_instance_id: string;
    readonly lineage: string;
    readonly boot_generation: number;
    readonly incarnation: string | null;
  };
  readonly clock: {
    readonly wall_ns: string;
    readonly boottime_ns: string;
    readonly synced: boolean;
    readonly error_us: number | null;
    readonly hlc_lead_ns: string;
  };
  readonly record: {
    readonly record_index: string;
    readonly item_index: number;
    readonly item_count: number;
    readonly first_lsn: string;
    readonly last_lsn: string;
    readonly flags: readonly string[];
    readonly leaf: string;
    readonly payload_bytes: number;
    readonly payload_commitment: string;
  };
  readonly edges: readonly { readonly type: string; readonly position: string }[];
  readonly producer: {
    readonly door: string | null;
    readonly uid: number | null;
    readonly pid: number | null;
  } | null;
  readonly checkpoint: {
    readonly origin: string;
    readonly size: string;
    readonly root: string;
    readonly note: string;
    readonly key: string;
    readonly certified_by: string | null;
  } | null;
  readonly inclusion: { readonly leaf_index: string; readonly path: readonly string[] } | null;
  readonly redaction: { readonly actor?: string; readonly reason?: string } | null;
}

export interface Findings {
  readonly established: readonly string[];
  readonly notEstablished: readonly string[];
}

/** Returns both lists; each sentence holds on its own. */
export function findingsOf(receipt: Receipt): Findings {
  return { established: established(receipt), notEstablished: notEstablished(receipt) };
}

function established(receipt: Receipt): string[] {
  const { record, identity, checkpoint } = receipt;
  const out = [
    `It has one place, LSN ${receipt.lsn} of lineage ${identity.lineage}.` +
      " That never names anything else.",
  ];
  if (receipt.durability === "fsync") {
    out.push("Whoever holds its acknowledgement knows that it was on this node's disk by then.");
  }
  if (record.item_count > 1) {
    const others = `LSN ${record.first_lsn} to ${record.last_lsn}`;
    const count = record.item_count - 1;
    const items = count === 1 ? "1 other item" : `${count} other items`;
    out.push(`It became durable together with ${items} (${others}).`);
  }
  for (const edge of receipt.edges) {
    const held = edge.type === "received" ? "Its context held" : "It held";
    out.push(
      `${held} the token of ${edge.position}:` +
        " if the tag is that record's, that one was fixed before this one.",
    );
  }
  if (checkpoint !== null) {
    out.push(
      `A signed checkpoint counts it: record ${record.record_index} of ${checkpoint.size}.` +
        " A change of it would change the root.",
    );
    if (receipt.key_pinned && checkpoint.certified_by !== null) {
      out.push(`The signing key is certified by the pinned node key ${checkpoint.certified_by}.`);
    }
  }
  return out;
}

function notEstablished(receipt: Receipt): string[] {
  const { checkpoint, clock, producer } = receipt;
  const out: string[] = [];
  if (!receipt.covered) {
    out.push(
      `No checkpoint counts it yet${because(receipt.uncovered_reason)}:` +
        " until then its place rests on the node's word.",
    );
  } else if (checkpoint !== null && !receipt.key_pinned) {
    out.push(
      checkpoint.certified_by === null
        ? "Who signed: no node key certified the signing key, so the log vouches for itself."
        : "Who signed: a node key certified the signing key, but nobody pinned that node key here.",
    );
  }
  if (receipt.durability === "none") {
    out.push("Survival of a power cut: this generation acknowledged before the disk had it.");
  } else if (receipt.durability === "unknown") {
    out.push("What an acknowledgement meant: the record that says so was trimmed.");
  }
  if (!clock.synced || clock.error_us === null) {
    out.push(
      "What time it was: nobody vouches for the node's clock, so its readings order nothing.",
    );
  }
  if (receipt.record.flags.includes("merge_rejected")) {
    out.push(
      "Order by the hybrid clock: a token far ahead of this clock came in, and was not merged.",
    );
  }
  if (producer === null || producer.uid === null) {
    out.push("Who sent it: this door cannot tell the sender's user.");
  }
  if (receipt.payload === "redacted") {
    out.push("What it said: its content was redacted; its place and its proof are as they were.");
  }
  out.push(
    "When it happened: a span is exported at its end, so LSNs follow the commits, not the actions.",
    "That what it says is true, that its author was allowed to," +
      " or that nothing was left out before it was accepted.",
    "That the end of the log was not cut off:" +
      " that takes a checkpoint, a token or a receipt kept elsewhere.",
  );
  return out;
}

function because(reason: string | null): string {
  return reason === null || reason === "" ? "" : ` (${reason})`;
}
