/** How kinds of step look. */

const COLOURS: Readonly<Record<string, string>> = {
  agent: "agent",
  workflow: "workflow",
  llm: "llm",
  embedding: "embedding",
  tool: "tool",
  retrieval: "retrieval",
  rerank: "retrieval",
  memory: "memory",
  plan: "plan",
  guardrail: "guardrail",
  eval: "guardrail",
  prompt: "plan",
};

/** Returns the colour of a kind as a CSS value; a kind that is not known has that of plain spans. */
export function kindColour(kind: string): string {
  return `var(--kind-${COLOURS[kind] ?? "other"})`;
}
