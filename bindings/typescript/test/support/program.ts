/** A program that other tests run: `end` comes to its end, `hang` is killed with a span open. */

import * as sidespan from "../../src/index.js";

sidespan.init({ service: "program" });

if (process.argv[2] === "end") {
  sidespan.trace("work", () => {
    for (let number = 1; number < 100; number++) sidespan.span("step", () => number);
  });
  console.log("done");
} else {
  const hanging = sidespan.startSpan("hanging", { attributes: { "tool.name": "search" } });
  await hanging.announce(10_000);
  process.kill(process.pid, "SIGKILL");
}
