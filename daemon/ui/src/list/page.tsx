/** The list of traces. */

import { useEffect } from "preact/hooks";
import "./list.css";
import { CommandLine, command } from "../components/command_line";
import { Live, TopBar } from "../components/top_bar";
import { duration } from "../lib/format";
import { quote } from "../lib/shell";
import { tick } from "../state/clock";
import { valueOf } from "../state/trace";
import { keep, listing, listLoad, live, matching, more, q, sort } from "./data";
import { said } from "./words";
import { Search } from "./search";
import { Strip } from "./strip";
import { Table } from "./table";

export function ListPage() {
  useEffect(keep, []);
  const anyOpen = listing.value.rows.some((row) => row.status === "open");
  useEffect(() => (anyOpen ? tick() : undefined), [anyOpen]);
  useEffect(() => {
    document.title = q.value ? `${q.value} – Sidespan` : "Sidespan";
    const asked = sort.value === "-start" ? q.value : `${q.value} sort:${sort.value}`.trim();
    command.value = asked ? `sidespan ls ${quote(asked)}` : "sidespan ls";
  }, [q.value, sort.value]);
  return (
    <div class="page list-page">
      <TopBar>
        <Search />
      </TopBar>
      <main>
        <Strip />
        <Table />
      </main>
      <CommandLine>
        <Count />
        <Live on={live.value} says={live.value ? "live" : "not following"} />
      </CommandLine>
    </div>
  );
}

function Count() {
  const page = valueOf(listLoad.value);
  if (!page) return null;
  const { lag_ms: lag, state } = page.index;
  const shown = said(listing.value.rows.length, more.value !== null, matching.value);
  return (
    <span class="quiet">
      {shown}
      {state === "building" && `, the index is ${duration(lag * 1e3)} behind`}
    </span>
  );
}
