"""The index of a store: SQLite, derived from the journal, rebuilt at any time."""
