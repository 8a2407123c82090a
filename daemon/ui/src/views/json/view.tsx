/** A tree of JSON, all of it text: keys and values may be anything that a program recorded. */

import { useRef, useState } from "preact/hooks";
import { Withheld } from "../content/withheld";
import { lines, MEMBERS_SHOWN, toggled, withheld, type Json, type Line, type Opened } from "./tree";
import "./json.css";

const LINES_AT_FIRST = 40;

interface Props {
  readonly value: Json;
  /** What it is, for who cannot see it. */
  readonly label: string;
  /** The span that large values are read from. */
  readonly span: string;
  /** Levels are opened at first while no more lines than this come of it. */
  readonly lines?: number;
}

/** Shows a value as a tree; only what is open is walked. */
export function JsonTree({ value, label, span, lines: wanted = LINES_AT_FIRST }: Props) {
  const [opened, setOpened] = useState<Opened>(() => openedAtFirst(value, wanted));
  const [at, setAt] = useState("");
  const tree = useRef<HTMLDivElement>(null);
  const [bare] = useState(() => opened.has("") && lines(value, opened).every(isOpenOrLeaf));
  // Where all of it fits, the line of the root says nothing that its members do not.
  const shown = bare ? lines(value, opened).slice(1) : lines(value, opened);
  const indent = bare ? 1 : 0;

  function toggle(line: Line): void {
    if (line.expandable) setOpened(toggled(opened, line));
  }

  function focus(index: number): void {
    const line = shown[Math.max(0, Math.min(index, shown.length - 1))]!;
    setAt(keyOf(line));
    const rows = tree.current?.querySelectorAll<HTMLElement>("[role=treeitem]");
    rows?.[shown.indexOf(line)]?.focus();
  }

  function pressed(event: KeyboardEvent): void {
    const index = Math.max(
      0,
      shown.findIndex((line) => keyOf(line) === at),
    );
    const line = shown[index]!;
    if (event.key === "ArrowDown") focus(index + 1);
    else if (event.key === "ArrowUp") focus(index - 1);
    else if (event.key === "Home") focus(0);
    else if (event.key === "End") focus(shown.length - 1);
    else if (event.key === "ArrowRight" && !line.open) toggle(line);
    else if (event.key === "ArrowLeft" && line.open) toggle(line);
    else if (event.key === "ArrowLeft") focus(parentIndex(shown, index));
    else if (event.key === "Enter" || event.key === " ") toggle(line);
    else return;
    event.preventDefault();
  }

  return (
    <div
      class={shown.some((line) => line.expandable) ? "json" : "json flat"}
      role="tree"
      aria-label={label}
      ref={tree}
      onKeyDown={pressed}
    >
      {shown.map((line, index) => (
        <div
          key={keyOf(line)}
          role="treeitem"
          class="json-line"
          aria-level={line.depth + 1 - indent}
          {...(line.expandable ? { "aria-expanded": line.open } : {})}
          tabIndex={keyOf(line) === at || (at === "" && index === 0) ? 0 : -1}
          style={{ paddingInlineStart: `${(line.depth - indent) * 14}px` }}
          onClick={() => {
            setAt(keyOf(line));
            // Who marks text to copy it does not mean to close it.
            if (getSelection()?.isCollapsed !== false) toggle(line);
          }}
        >
          <LineOf line={line} span={span} />
        </div>
      ))}
    </div>
  );
}

function LineOf({ line, span }: { line: Line; span: string }) {
  const kept = line.kind === "withheld" ? withheld(line.value) : null;
  return (
    <>
      <span class="json-twist" aria-hidden="true">
        {line.expandable ? (line.open ? "▾" : "▸") : ""}
      </span>
      {line.label !== "" && <span class="json-key">{line.label}</span>}
      {kept !== null ? (
        <Withheld span={span} content={kept} />
      ) : (
        <span class={`json-value ${line.kind}`}>{textOf(line)}</span>
      )}
    </>
  );
}

const isOpenOrLeaf = (line: Line): boolean => line.open || !line.expandable;

function textOf(line: Line): string {
  // What is open shows its keys below.
  if (line.open && line.kind === "object") return "";
  if (line.kind === "more") return `${line.text}, show ${MEMBERS_SHOWN} of them`;
  return line.text === "" && line.kind === "string" ? "(empty)" : line.text;
}

const keyOf = (line: Line): string =>
  line.kind === "more" ? `${line.path}…more` : line.path || "/";

function parentIndex(shown: readonly Line[], index: number): number {
  let above = index;
  while (above > 0 && shown[above]!.depth >= shown[index]!.depth) above -= 1;
  return above;
}

function openedAtFirst(value: Json, linesMax: number): Opened {
  let opened: Opened = new Map();
  let shown = lines(value, opened);
  while (shown.length <= linesMax) {
    const closed = shown.filter((line) => line.expandable && !line.open && line.kind !== "more");
    const next = closed.reduce(toggled, opened);
    const more = lines(value, next);
    // The first level is worth its lines: a container that is closed says next to nothing.
    if (closed.length === 0 || (more.length > linesMax && opened.size > 0)) break;
    [opened, shown] = [next, more];
  }
  return opened;
}
