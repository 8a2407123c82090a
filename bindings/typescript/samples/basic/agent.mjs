// An agent that plans, thinks and calls a tool:  node samples/basic/agent.mjs
import * as sidespan from "sidespan";

sidespan.init({ service: "basic-agent" });

await sidespan.trace("agent.handle_message", { kind: "server" }, async (root) => {
  root.set({ "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "basic" });

  const answer = await sidespan.span("chat scripted-1", { kind: "client" }, async (chat) => {
    chat.set({ "gen_ai.request.model": "scripted-1", "gen_ai.usage.input_tokens": 12 });
    chat.addEvent("first token");
    return "look it up";
  });

  // Its start is on disk before the tool runs.
  await sidespan.span("execute_tool search", { durable: true }, async (tool) => {
    tool.set({ "gen_ai.tool.name": "search", "tool.start.durable": tool.durable });
    return answer;
  });

  // What the next process is given: traceparent, and tracestate with the node's newest token.
  console.log(sidespan.inject({}));
});

console.log((await sidespan.flush(1000)) ? "on disk" : sidespan.status().lastError);
