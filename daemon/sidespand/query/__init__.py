"""Answers questions about what was recorded: pure functions over records, whoever reads them."""
