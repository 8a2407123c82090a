/** The playhead: goes through a run moment by moment, and every view shows how it stood then. */

import { useEffect } from "preact/hooks";
import { useKeys } from "../../keys";
import { count, duration } from "../../lib/format";
import { set } from "../../state/route";
import { skeleton } from "../../state/trace";
import { pause, play, playing, speed, SPEEDS } from "./player";
import { nextStep, previousStep } from "./scene";
import { clockwork, goTo, moments, passed, roles, stepRow, stepUs } from "./stage";
import "./playhead.css";

const wanted = (row: number) => roles.isCall(row) || roles.isTool(row) || roles.hasState(row);

function stepBy(by: number): void {
  pause();
  goTo(Math.max(0, (passed.peek() ?? 0) + by));
}

function jump(forward: boolean): void {
  pause();
  const all = moments.peek();
  if (all !== null) goTo((forward ? nextStep : previousStep)(all, passed.peek() ?? 0, wanted));
}

function off(): unknown {
  if (passed.peek() === null) return false;
  pause();
  goTo(null);
  return true;
}

export default function Playhead() {
  useKeys("Playhead", () => [
    { keys: ["j"], does: "Next moment of the run", run: () => stepBy(1) },
    { keys: ["k"], does: "Moment before", run: () => stepBy(-1) },
    { keys: ["J"], does: "Next moment of a model, a tool or state", run: () => jump(true) },
    { keys: ["K"], does: "The one before", run: () => jump(false) },
    { keys: ["Space"], does: "Play, pause", run: () => (playing.peek() ? pause() : play()) },
    { keys: ["Escape"], does: "Playhead off", run: () => (passed.peek() === null ? false : off()) },
  ]);
  useEffect(() => pause, []);
  const trace = skeleton.value;
  if (trace === null || trace.count === 0) return null;
  const at = passed.value;
  return (
    <div
      class={`playhead${at === null ? " off" : ""}`}
      role="group"
      aria-label="Playhead"
      data-test="playhead"
    >
      <button
        type="button"
        class="small"
        aria-label="Moment before"
        disabled={!at}
        onClick={() => stepBy(-1)}
      >
        ◂
      </button>
      <button
        type="button"
        class="small play"
        aria-label={playing.value ? "Pause" : "Play"}
        onClick={() => (playing.value ? pause() : play())}
      >
        {playing.value ? "❚❚" : "▶"}
      </button>
      <button type="button" class="small" aria-label="Next moment" onClick={() => stepBy(1)}>
        ▸
      </button>
      {at === null ? (
        <span class="quiet">
          Step through the run: <kbd>j</kbd> <kbd>k</kbd>, <kbd>Space</kbd> plays
        </span>
      ) : (
        <On at={at} />
      )}
    </div>
  );
}

function On({ at }: { at: number }) {
  const all = moments.value!;
  return (
    <>
      <input
        type="range"
        min={0}
        max={all.count}
        value={at}
        aria-label="Moment"
        aria-valuetext={sentence(at)}
        onInput={(event) => {
          pause();
          goTo(Number(event.currentTarget.value));
        }}
      />
      <span class="playhead-at">
        {count(at)} / {count(all.count)}
      </span>
      <span class="playhead-time">+{duration(stepUs.value ?? 0)}</span>
      <span class="playhead-what text" data-test="moment">
        {sentence(at)}
      </span>
      <select
        aria-label="Order of the moments"
        value={clockwork.value}
        title="The order is for display: by the programs' clocks it is no evidence"
        onChange={(event) => {
          pause();
          set({ by: event.currentTarget.value === "log" ? "log" : null, step: 0 });
        }}
      >
        <option value="clock">as the clocks read</option>
        <option value="log">as made durable</option>
      </select>
      <select
        aria-label="Speed"
        value={String(speed.value)}
        onChange={(event) => (speed.value = Number(event.currentTarget.value))}
      >
        {SPEEDS.map((times) => (
          <option key={times} value={String(times)}>
            {times}×
          </option>
        ))}
      </select>
      <button type="button" class="small" onClick={off}>
        Off
      </button>
    </>
  );
}

/** Returns what the last moment was. */
function sentence(at: number): string {
  const trace = skeleton.value!;
  const row = stepRow.value;
  if (at === 0 || row < 0) return "before the first moment";
  const name = trace.text(trace.name, row);
  if (clockwork.value === "log") return `${name} was durable`;
  if (moments.value!.ends[at - 1] === 0) return `${name} began`;
  return trace.status[row] === 2 ? `${name} failed` : `${name} ended`;
}
