"""Checks from outside: what a store, a proof bundle or an exported file does and does not show."""
