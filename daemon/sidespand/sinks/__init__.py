"""Sinks: carry what is durable elsewhere, each at its own pace, at least once and in order."""
