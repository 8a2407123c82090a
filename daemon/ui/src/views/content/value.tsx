/** A value of a span: text as text, structures as a tree, large ones by range. */

import { JsonTree } from "../json/view";
import { embedded, withheld, type Json } from "../json/tree";
import { Withheld } from "./withheld";

interface Props {
  readonly value: Json;
  readonly label: string;
  readonly span: string;
  /** How many lines of a structure are shown at first, at most. */
  readonly lines?: number;
}

export function Value({ value, label, span, lines = 24 }: Props) {
  const kept = withheld(value);
  if (kept !== null) return <Withheld span={span} content={kept} />;
  if (typeof value === "string") {
    const inside = embedded(value);
    return inside === undefined ? (
      <span class="text">{value}</span>
    ) : (
      <JsonTree value={inside} label={label} span={span} lines={lines} />
    );
  }
  if (typeof value === "object" && value !== null) {
    return <JsonTree value={value} label={label} span={span} lines={lines} />;
  }
  return <span class="text scalar">{JSON.stringify(value)}</span>;
}
