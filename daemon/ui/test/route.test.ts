import { describe, expect, it } from "vitest";
import { format, parse } from "../src/state/route";

const round = (address: string): string => {
  const [path, search = ""] = address.split("?");
  return format(parse(path!, search));
};

describe("addresses", () => {
  it.each([
    "/", "/?q=kind:llm+dur:%3E2s&sort=-dur", "/t/0af7651916cd43dd8448eb211c80319c",
    "/t/last?view=flow&span=b7ad6b7169203331&b=00f067aa0ba902b7&step=4&zoom=0-1200",
    "/t/abc?fold=a,b&level=1&errors=first&find=refund",
  ])("%s is what its route writes", (address) => {
    expect(round(address)).toBe(address);
  });

  it("leave out what is empty, and keep what they do not know", () => {
    expect(round("/t/abc?span=&later=1")).toBe("/t/abc?later=1");
  });

  it("hold any id as one part of the path", () => {
    const route = { traceId: "../x?y#z", params: new Map() };
    expect(parse(format(route), "").traceId).toBe("../x?y#z");
  });
});
