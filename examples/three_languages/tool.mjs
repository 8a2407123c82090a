// A tool server:  node tool.mjs --port-file FILE
// It serves HTTP on a free port of 127.0.0.1, writes that port to FILE, and ends on SIGTERM.
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

import * as sidespan from "../../bindings/typescript/dist/esm/index.js";

const WEEK = [
  { day: "Saturday", highCelsius: 24, rainPercent: 10 },
  { day: "Sunday", highCelsius: 21, rainPercent: 60 },
];

const { values } = parseArgs({ options: { "port-file": { type: "string" } } });
sidespan.init({ service: "tool" });

function forecast(city, days) {
  return sidespan.span("execute_tool forecast", (span) => {
    span.set({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "forecast", city });
    const found = WEEK.slice(0, days);
    span.addEvent("forecast found", { days: found.length });
    const rain = found.filter((day) => day.rainPercent >= 50).map((day) => day.day);
    return { city, pack: ["light clothes", ...rain.map((day) => `a rain jacket for ${day}`)] };
  });
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const parent = sidespan.extract(request.headers);
  const reply = sidespan.span("POST /forecast", { parent, kind: "server" }, () => {
    const asked = new URLSearchParams(body);
    return forecast(asked.get("city"), Number(asked.get("days")));
  });
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(reply));
});

server.listen(0, "127.0.0.1", () => {
  const partial = `${values["port-file"]}.partial`;
  writeFileSync(partial, String(server.address().port));
  renameSync(partial, values["port-file"]);
});

process.once("SIGTERM", async () => {
  server.close();
  await sidespan.shutdown();
});
