import { describe, expect, it } from "vitest";
import { bytes, compact, cost, count, duration, msOf, plural } from "../src/lib/format";
import { quote } from "../src/lib/shell";

const plain = (text: string): string => text.replaceAll("\u202f", " ");

describe("durations", () => {
  it.each([
    [0, "0"], [1, "1 µs"], [999, "999 µs"], [999.6, "1.00 ms"], [14_200, "14.2 ms"],
    [999_499, "999 ms"], [999_500, "1.00 s"], [59_949_999, "59.9 s"], [59_950_000, "1m 00s"],
    [125e6, "2m 05s"], [3_599_499_999, "59m 59s"], [3_600e6, "1h 00m"], [3_780e6, "1h 03m"],
    [3 * 86_400e6, "3d 00h"], [-1, "–"], [NaN, "–"],
  ])("%d µs is %s", (us, text) => {
    expect(plain(duration(us))).toBe(text);
  });
});

describe("numbers", () => {
  it("have their thousands apart, or are short", () => {
    expect([count(0), count(999), count(1_000), count(1_234_567)]).toEqual(
      ["0", "999", "1,000", "1,234,567"],
    );
    expect([compact(9_999), compact(10_000), compact(12_345), compact(1_200_000)]).toEqual(
      ["9,999", "10.0k", "12.3k", "1.20M"],
    );
    expect([plural(1, "span"), plural(2, "span")]).toEqual(["1 span", "2 spans"]);
    expect([bytes(1_023), bytes(4_096)].map(plain)).toEqual(["1023 B", "4.00 KiB"]);
  });

  it("tell a cost that nobody reported from none", () => {
    expect([cost(null), cost(NaN), cost(0), cost(0.00001), cost(0.0042), cost(12.5)]).toEqual(
      ["–", "–", "$0", "<$0.0001", "$0.0042", "$12.50"],
    );
  });

  it("keep microseconds of a time in nanoseconds", () => {
    expect(msOf("1790000000123456789")).toBe(1_790_000_000_123.456);
  });
});

describe("words of a command", () => {
  it.each([
    ["kind:llm", "kind:llm"], ["", "''"], ["a b", "'a b'"], ["dur:>2s", "'dur:>2s'"],
    ["it's $(x)", "'it'\\''s $(x)'"],
  ])("%s is written %s", (word, written) => {
    expect(quote(word)).toBe(written);
  });
});
