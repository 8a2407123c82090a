"""The one place that holds the version of client, daemon and wheel."""

__version__ = "0.1.0"
