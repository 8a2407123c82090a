/** One trace: what it is, and the views of it. */

import { useEffect } from "preact/hooks";
import { CommandLine, command } from "../components/command_line";
import { Lazy } from "../components/lazy";
import { Failure, Loading } from "../components/notice";
import { Splitter, keptWidth } from "../components/splitter";
import { Live, TopBar } from "../components/top_bar";
import { useKeys } from "../keys";
import { comparedSpan, go, replaceTrace, route, selectedSpan, set, step, traceId, view } from "../state/route";
import { live, refetch, skeleton, skeletonLoad } from "../state/trace";
import { bar, panel, views, type View } from "../views/registry";
import { Facts, Title } from "./facts";

const panelWidth = keptWidth("panel", 440, 280, 1_000);

const shownView = (): View => views.find((one) => one.name === view.value) ?? views[0]!;

function show(name: string): void {
  set({ view: name === views[0]!.name ? null : name }, "push");
}

export function TracePage() {
  useKeys("Trace", () =>
    views.map((one) => ({ keys: [one.key], does: one.title, run: () => show(one.name) })),
  );
  const trace = skeleton.value;
  const now = shownView();
  useEffect(() => {
    // A prefix, or `last`, is what somebody typed; a link that is copied names the trace itself.
    if (trace && trace.traceId !== traceId.value) replaceTrace(trace.traceId);
  }, [trace?.traceId]);
  useEffect(() => {
    command.value = now.cli({
      trace: trace?.traceId ?? traceId.value ?? "",
      span: selectedSpan.value,
      b: comparedSpan.value,
      step: step.value,
    });
  }, [now, trace?.traceId, route.value]);
  return (
    <div class="page trace-page">
      <TopBar>
        <Title />
      </TopBar>
      <div class="trace-bar">
        <nav class="tabs" aria-label="Views">
          {views.map((one) => (
            <button
              type="button"
              key={one.name}
              aria-current={one === now ? "page" : undefined}
              title={`${one.title} (${one.key})`}
              onClick={() => show(one.name)}
            >
              {one.title}
            </button>
          ))}
        </nav>
        <Facts />
      </div>
      <main>
        <Body shown={now} />
      </main>
      {bar && trace && <Lazy load={bar} quiet />}
      <CommandLine>
        <Live on={live.value} says={live.value ? "live" : "not following"} />
      </CommandLine>
    </div>
  );
}

function Body({ shown }: { shown: View }) {
  const load = skeletonLoad.value;
  const trace = skeleton.value;
  if (!trace) {
    if (load.state === "failed") {
      return (
        <Failure error={load.error} retry={load.error.status === 410 ? undefined : refetch}>
          <button type="button" onClick={() => go(null)}>All traces</button>
        </Failure>
      );
    }
    return <Loading what="Reading the trace…" />;
  }
  const withPanel = panel !== null && shown.panel && selectedSpan.value !== "";
  return (
    <>
      <div class="view" key={shown.name}>
        {shown.lazy ? (
          <Lazy load={shown.component as () => Promise<{ default: preact.ComponentType }>} />
        ) : (
          <Eager shown={shown} />
        )}
      </div>
      {withPanel && (
        <aside class="panel" aria-label="The selected span" style={{ width: `${panelWidth.px.value}px` }}>
          <Splitter width={panelWidth} side="right" label="Width of the panel" />
          <Lazy load={panel!} />
        </aside>
      )}
    </>
  );
}

function Eager({ shown }: { shown: View }) {
  const Shown = shown.component as preact.ComponentType;
  return <Shown />;
}
