/** How a trace or a span stands: a sign that does not rest on colour alone. */

const SIGNS: Readonly<Record<string, { sign: string; says: string }>> = {
  ok: { sign: "", says: "ended" },
  error: { sign: "!", says: "error" },
  open: { sign: "", says: "open" },
  abandoned: { sign: "×", says: "abandoned" },
};

export function StatusSign({ status }: { status: string }) {
  const { sign, says } = SIGNS[status] ?? { sign: "", says: status };
  return (
    <span class={`status ${status}`} role="img" aria-label={says} title={says}>
      {sign}
    </span>
  );
}
