"""The two ways in which evidence fails: it cannot be read, or it does not hold."""

from sidespand.errors import SidespanError


class Malformed(SidespanError):
    """The text is not what its format says; nothing of it was believed. Not retryable."""


class NotVerified(SidespanError):
    """A signature or a proof does not hold for the keys that were given. Not retryable."""
