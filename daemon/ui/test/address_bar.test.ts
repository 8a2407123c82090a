import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { format, go, route, set } from "../src/state/route";

const replaced = vi.fn();
const pushed = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  // What an earlier test used up has come back by then.
  vi.advanceTimersByTime(60_000);
  vi.stubGlobal("history", {
    replaceState: (_: unknown, __: string, to: string) => replaced(to),
    pushState: (_: unknown, __: string, to: string) => pushed(to),
  });
  route.value = { traceId: "abc", params: new Map() };
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.clearAllMocks();
});

describe("the address bar", () => {
  it("names a change at once", () => {
    set({ step: 1 });
    expect(replaced).toHaveBeenCalledExactlyOnceWith("/t/abc?step=1");
  });

  it("follows a playhead that runs for a minute more seldom than browsers allow, and ends right", () => {
    for (let step = 1; step <= 1_000; step += 1) {
      set({ step });
      expect(format(route.value)).toBe(`/t/abc?step=${step}`);
      vi.advanceTimersByTime(30);
    }
    vi.advanceTimersByTime(1_000);
    expect(replaced.mock.calls.length).toBeLessThanOrEqual(100);
    expect(replaced).toHaveBeenLastCalledWith("/t/abc?step=1000");
  });

  it("has what was left to name before a step that Back undoes", () => {
    for (let step = 1; step <= 100; step += 1) set({ step });
    go(null);
    expect(replaced).toHaveBeenLastCalledWith("/t/abc?step=100");
    expect(pushed).toHaveBeenCalledExactlyOnceWith("/");
    vi.advanceTimersByTime(10_000);
    expect(replaced).toHaveBeenLastCalledWith("/t/abc?step=100");
  });
});
