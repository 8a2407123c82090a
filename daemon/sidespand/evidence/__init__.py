"""Evidence of order: proofs, checkpoints and verdicts, as pure functions over records."""
