import { afterEach, expect, test, vi } from "vitest";
import { ContentReader } from "../../src/views/content/reader";

afterEach(() => vi.unstubAllGlobals());

/** Answers ranges of a text as the daemon does. */
function serve(text: string): string[] {
  const whole = new TextEncoder().encode(text);
  const asked: string[] = [];
  vi.stubGlobal("sessionStorage", { getItem: () => null });
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    const range = new Headers(init.headers).get("range")!;
    asked.push(`${path} ${range}`);
    const [first, last] = /(\d+)-(\d+)/.exec(range)!.slice(1).map(Number) as [number, number];
    const end = Math.min(last, whole.length - 1);
    return new Response(whole.slice(first, end + 1), {
      status: 206,
      headers: { "content-range": `bytes ${first}-${end}/${whole.length}` },
    });
  });
  return asked;
}

test("pieces come one after the other, and a character that a range cuts stays whole", async () => {
  const asked = serve("aé€b");
  const reader = new ContentReader("s1", "t1", "/span/name");
  const signal = new AbortController().signal;
  const pieces = [
    await reader.next(2, signal),
    await reader.next(3, signal),
    await reader.next(9, signal),
  ];

  expect(pieces.map((piece) => piece.text).join("")).toBe("aé€b");
  expect(pieces.map((piece) => piece.read)).toEqual([2, 5, 7]);
  expect(pieces[0]!.total).toBe(7);
  expect(asked[1]).toBe("/v1/spans/s1/content?field=%2Fspan%2Fname&trace_id=t1 bytes=2-4");
});
