/** The snapshots of one span whole, before and after side by side. */

import { Failure, Loading } from "../../components/notice";
import type { StateSnapshot } from "../../shapes";
import { skeleton, valueOf } from "../../state/trace";
import { Value } from "../content/value";
import { useDetail } from "../details";

export function Snapshots({ row, over }: { row: number; over: boolean }) {
  const load = useDetail(row);
  const detail = valueOf(load);
  if (load.state === "failed") return <Failure error={load.error} />;
  if (detail === null) return <Loading what="Loading the snapshots…" />;
  const span = skeleton.value!.spanId[row]!;
  const names = [...new Set(detail.states.map((state) => state.name))];
  return (
    <section class="snapshots" aria-label="Snapshots">
      {names.map((name) => (
        <div key={name}>
          <h3 class="text">{name}</h3>
          <div class="snapshot-sides">
            {(["before", "after"] as const).map((when) => (
              <div key={when} data-when={when}>
                <h4>{when}</h4>
                {when === "after" && !over ? (
                  <span class="quiet">not there yet at this step</span>
                ) : (
                  <Snapshot state={find(detail.states, name, when)} span={span} />
                )}
              </div>
            ))}
          </div>
        </div>
      ))}
    </section>
  );
}

function Snapshot({ state, span }: { state: StateSnapshot | undefined; span: string }) {
  if (state === undefined) return <span class="quiet">none was taken</span>;
  return <Value value={state.value} label={`${state.name} ${state.key}`} span={span} />;
}

function find(
  states: readonly StateSnapshot[],
  name: string,
  when: string,
): StateSnapshot | undefined {
  return states.find((state) => state.name === name && state.key === when);
}
