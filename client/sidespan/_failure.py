"""What an exception says of itself, whatever its own methods do; no Exception leaves here."""

from sidespan._limits import STACKTRACE_BYTES_MAX
from sidespan._values import safe_text


def exception_type(error: BaseException) -> str:
    """Return the name of the exception's class, with its module unless it is a builtin."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def exception_message(error: BaseException) -> str:
    """Return the exception as text, or its ``repr`` when it has none."""
    try:
        return str(error)
    except Exception:
        return safe_text(error)


def stacktrace(error: BaseException) -> str:
    """Return the formatted traceback, its end when it is long: that is where it happened."""
    # Imported when needed: most programs fail seldom, and it would add a quarter to the import.
    import traceback

    return "".join(traceback.format_exception(error))[-STACKTRACE_BYTES_MAX:]
