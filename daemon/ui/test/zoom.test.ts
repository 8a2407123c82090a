import { describe, expect, it } from "vitest";
import { clamped, panned, read, ticks, written, zoomed } from "../src/views/waterfall/zoom";

describe("the part of the time", () => {
  it("is written as it is read", () => {
    expect(read(written({ from: 10, to: 500 }))).toEqual({ from: 10, to: 500 });
    expect([written(null), read(""), read("9-3"), read("a-b"), read("-1-5")]).toEqual(
      ["", null, null, null, null],
    );
  });

  it("keeps what is under the pointer where it is", () => {
    expect(zoomed({ from: 0, to: 1_000 }, 250, 0.5, 1_000)).toEqual({ from: 125, to: 625 });
  });

  it("never leaves the trace, and is all of it when nothing is left out", () => {
    expect(zoomed({ from: 800, to: 1_000 }, 1_000, 2, 1_000)).toEqual({ from: 600, to: 1_000 });
    expect(zoomed({ from: 200, to: 800 }, 500, 3, 1_000)).toBeNull();
    expect(panned({ from: 100, to: 300 }, -2, 1_000)).toEqual({ from: 0, to: 200 });
    expect(clamped(900, 1_300, 1_000)).toEqual({ from: 600, to: 1_000 });
  });

  it("has an end to how close one comes", () => {
    let part = { from: 0, to: 1_000 };
    for (let turn = 0; turn < 100; turn += 1) part = zoomed(part, 500, 0.5, 1_000)!;
    expect(part).toEqual({ from: 499, to: 501 });
  });
});

describe("the ruler", () => {
  it.each([
    [{ from: 0, to: 1_000 }, 5, [0, 200, 400, 600, 800, 1_000]],
    [{ from: 130, to: 190 }, 4, [140, 160, 180]],
    [{ from: 0, to: 200e6 }, 5, [0, 60e6, 120e6, 180e6]],
  ])("marks round times in %o", (part, wanted, marks) => {
    expect(ticks(part, wanted)).toEqual(marks);
  });

  it("marks few times however narrow or wide the part is", () => {
    for (let power = 0.5; power < 15; power += 0.37) {
      const found = ticks({ from: 3, to: 3 + 10 ** power }, 8);
      expect(found.length).toBeGreaterThan(0);
      expect(found.length).toBeLessThanOrEqual(10);
    }
  });
});
