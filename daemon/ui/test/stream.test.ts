import { describe, expect, it } from "vitest";
import { EventParser } from "../src/stream";

const TEXT =
  "retry: 10\n\nid: a:1\nevent: trace\ndata: {\"x\":1}\n\n: a comment\n\nevent: spans\ndata: one\ndata: two\n\n";

const EVENTS = [
  { type: "trace", id: "a:1", data: '{"x":1}' },
  { type: "spans", id: "a:1", data: "one\ntwo" },
];

describe("events", () => {
  it("are the same however the text is cut", () => {
    for (let cut = 0; cut <= TEXT.length; cut += 1) {
      const parser = new EventParser();
      expect([...parser.push(TEXT.slice(0, cut)), ...parser.push(TEXT.slice(cut))]).toEqual(EVENTS);
    }
  });

  it("come out when the line after them is there", () => {
    const parser = new EventParser();
    expect(parser.push("data: x\n")).toEqual([]);
    expect(parser.push("\n")).toEqual([{ type: "message", id: "", data: "x" }]);
  });

  it("may end their lines with carriage returns", () => {
    expect(new EventParser().push("id:7\r\ndata:x\r\n\r\n")).toEqual([
      { type: "message", id: "7", data: "x" },
    ]);
  });
});
