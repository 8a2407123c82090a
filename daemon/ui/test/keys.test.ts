import { expect, it } from "vitest";
import { groups, nameOf, register } from "../src/keys";

const pressed = (key: string, held: Partial<KeyboardEvent> = {}): string =>
  nameOf({ key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held } as KeyboardEvent);

it("a key has one name, whatever the layout needed for it", () => {
  expect(pressed("?", { shiftKey: true })).toBe("?");
  expect(pressed("ArrowDown", { shiftKey: true })).toBe("Shift+ArrowDown");
  expect(pressed(" ")).toBe("Space");
  expect(pressed("k", { metaKey: true })).toBe("Ctrl+k");
});

it("a group holds until it is taken away", () => {
  const away = register({ title: "A", keys: [] });
  register({ title: "B", keys: [] });
  away();
  expect(groups.value.map((group) => group.title)).toEqual(["B"]);
});
