import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { paced, settling } from "../src/state/settle";

describe("settling", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function recorder(): { began: string[]; stopped: string[]; of: (name: string) => () => () => void } {
    const began: string[] = [];
    const stopped: string[] = [];
    const of = (name: string) => () => {
      began.push(name);
      return () => void stopped.push(name);
    };
    return { began, stopped, of };
  }

  it("begins the first at once, and after a pause again", () => {
    const { began, of } = recorder();
    const settled = settling(100);

    settled(of("a"));
    vi.advanceTimersByTime(100);
    settled(of("b"));

    expect(began).toEqual(["a", "b"]);
  });

  it("begins only the last of what comes fast, once it rests", () => {
    const { began, stopped, of } = recorder();
    const settled = settling(100);

    let stop = settled(of("a"));
    for (const name of ["b", "c", "d"]) {
      vi.advanceTimersByTime(50);
      stop();
      stop = settled(of(name));
    }
    vi.advanceTimersByTime(99);
    expect(began).toEqual(["a"]);
    vi.advanceTimersByTime(1);
    expect(began).toEqual(["a", "d"]);

    stop();
    expect(stopped).toEqual(["a", "d"]);
  });
});

describe("paced", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("runs the first at once and then the last of each pause", () => {
    const ran: number[] = [];
    const pace = paced(100);

    let callOff = () => {};
    for (let at = 0; at < 25; at += 1) {
      callOff();
      callOff = pace(() => void ran.push(at));
      vi.advanceTimersByTime(10);
    }
    vi.advanceTimersByTime(100);

    expect(ran).toEqual([0, 9, 19, 24]);
  });

  it("runs nothing that was called off", () => {
    const ran: string[] = [];
    const pace = paced(100);
    pace(() => void ran.push("a"));

    pace(() => void ran.push("b"))();
    vi.advanceTimersByTime(1_000);

    expect(ran).toEqual(["a"]);
  });
});
