/** The package as programs load it. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { VERSION } from "../src/version.js";

const ROOT = join(fileURLToPath(import.meta.url), "../../../..");
const require = createRequire(join(ROOT, "test/any.js"));

test("import and require give the same names", async () => {
  for (const entry of ["sidespan", "sidespan/otel"]) {
    const esm: object = await import(entry);
    const cjs = require(entry) as object;
    const names = Object.keys(cjs).filter((name) => name !== "__esModule");
    assert.ok(names.length > 3);
    assert.deepEqual(Object.keys(esm).filter((name) => name !== "default").sort(), names.sort());
  }
});

test("the version is the package's", () => {
  const found = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    version: string;
    dependencies?: object;
  };
  assert.equal(found.version, VERSION);
  assert.equal(found.dependencies, undefined);
});
