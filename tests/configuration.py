"""Writes docs/configuration.md from the keys themselves: ``python -m tests.configuration``.

What a key takes is what its parser says that it expected, asked with values that it cannot use.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sidespand.config.keys import KEYS, RELOADED, Key
from sidespand.limits import GIB, KIB, MIB
from sidespand.sinks.registry import TYPES
from sidespand.sinks.shared_options import SHARED
from sidespand.sinks.spec import Option

PAGE = Path(__file__).parents[1] / "docs/configuration.md"
_EXPECTED = "expected "
# Of the wrong type, empty, and beyond the bounds that a key may have.
_USELESS = (object(), "", "0B", "9999999GiB", "0s", "999999d", 0, -1, 10**12)
# They depend on who runs the daemon, and where.
_DEFAULTS = {
    "data_dir": "`/var/lib/sidespan` for root and the service, else `~/.local/state/sidespan`",
    "runtime_dir": "`/run/sidespan` for root and the service, else `$XDG_RUNTIME_DIR/sidespan`",
    "node.source_node_ref": "`node://sidespan@` and the host's name",
    "receivers.otlp_grpc": '`"127.0.0.1:4317"`; as a service `"off"`',
    "receivers.otlp_http": '`"127.0.0.1:4318"`; as a service `"off"`',
    "web.listen": '`"127.0.0.1:4320"`; as a service `"off"`',
    "web.socket_group": "`sidespan-read` where the daemon is in it, else none",
}
_HEAD = """\
# Configuration

What the daemon can be told, in one file of [TOML](https://toml.io): `--config FILE`, else
`$XDG_CONFIG_HOME/sidespan/sidespan.toml` (`~/.config/…`), else `/etc/sidespan/sidespan.toml`.
Without a file the defaults hold. This page is written by `make reference` from the keys themselves.

* Flags go before the environment, the environment before the file, the file before defaults. The
  variable of a key is its name in capitals with `SIDESPAN_` in front: `SIDESPAN_LOG_LEVEL` sets
  `log.level`. Sinks and tenants are set in the file alone.
* `${env:NAME}` in a text of the file is the value of a variable. One that is not set stops the
  start, which names key and variable; `${env:NAME:-text}` is `text` then, and where it is empty.
  `$${env:NAME}` is the text `${env:NAME}`.
* Sizes are numbers of bytes or texts such as `"64MiB"` (`B`, `KiB`, `MiB`, `GiB`); durations are
  texts such as `"500ms"`, `"90s"`, `"10m"`, `"1h"`, `"7d"`.
* A key that is not known, or has a value that cannot be used, stops the start. Every fault is told
  at once, with its key and, where one is near, the key that was meant.

```
sidespan config init       # write a file that has every key as a comment
sidespan check FILE        # tell every fault of a file; the daemon need not run
sidespan config show       # the value of every key as it holds, without secrets
sidespan reload            # have the daemon take up its file as it is now
```

**Reload** says what becomes of a key when `sidespan reload` or SIGHUP comes: it is taken up *at
once*, or at the next *restart*; the answer and the log name those that wait for one.
"""
_TENANTS = """\
## `receivers.tenants.<name>`

Who may write, and under what name it is recorded; [the doors](doors.md) have the rules. A table has
one key at least. A change takes a restart.

| key | takes |
|---|---|
| `users` | a list of names or numbers of users of this host |
| `groups` | a list of names or numbers of groups of this host |
| `token_file` | a path: bearer tokens, one a line |
| `certificates` | a list of names in client certificates |
"""
_SINKS = """\
## `sinks.<name>`

Where records go; a name is 1 to 64 of `a-z`, `0-9`, `-` and `_`. [Sinks](sinks.md) tells what each
key means. A reload takes up every change at once: a sink whose table is another one ends and starts
anew with its cursor, one whose table is as it was goes on undisturbed.

Every type takes these:
"""
_COMMON = f"""\
| `type` | {", ".join(TYPES)}, or a type of your own | required |
| `required` | true or false | `false` |
| `capture` | "off", "metadata", "redacted" or "full" | [what is usual for it](persistence.md) |"""


def page() -> str:
    """Return the page as it should be."""
    return "\n".join((_HEAD, *_sections(), _TENANTS, *_sinks()))


def takes(parse: Callable[[Any], Any]) -> str:
    """Return what a parser expects, in its own words."""
    said: list[str] = []
    for useless in _USELESS:
        try:
            parse(useless)
        except ValueError as error:
            text = str(error).removeprefix(_EXPECTED)
            # Another wording of what was said already adds nothing.
            if str(error).startswith(_EXPECTED) and text not in said:
                said.append(text)
    assert said, parse
    return _cell("; ".join(said))


def _sections() -> Iterator[str]:
    for table, keys in itertools.groupby(KEYS, lambda key: key.path.rpartition(".")[0]):
        heading = f"## `{table}`" if table else "## At the top"
        rows = [_row(key) for key in keys]
        head = ["| key | takes | default | reload | |", "|---|---|---|---|---|"]
        yield "\n".join((heading, "", *head, *rows, ""))


def _row(key: Key) -> str:
    reload = "at once" if key.path in RELOADED else "restart"
    default = _DEFAULTS.get(key.path) or _shown(key.default({}), key.parse, key.field)
    name = key.path.rpartition(".")[2]
    return f"| `{name}` | {takes(key.parse)} | {default} | {reload} | {_cell(key.text)} |"


def _sinks() -> Iterator[str]:
    head = ["| key | takes | default |", "|---|---|---|"]
    yield _SINKS
    yield "\n".join((*head, _COMMON, *map(_option, SHARED, SHARED.values()), ""))
    for name, kind in TYPES.items():
        rows = map(_option, kind.options, kind.options.values())
        yield "\n".join((f"### `{name}`", "", *head, *rows, ""))


def _option(name: str, option: Option) -> str:
    default = "required" if option.example else _shown(option.default, option.parse, name)
    return f"| `{name}` | {takes(option.parse)} | {default} |"


def _shown(value: Any, parse: Callable[[Any], Any], name: str) -> str:
    """Return a default as it would be written."""
    text = _written(value, parse, name)
    return f"`{text}`" if text else "none"


def _written(value: Any, parse: Callable[[Any], Any], name: str) -> str:
    words = name.split("_")
    text = ""
    if value is None:
        text = '"off"' if _is_off(parse) else ""
    elif isinstance(value, bool):
        text = str(value).lower()
    elif name == "disk_free_min":
        text = f'"{value:.0%}"'
    elif name == "socket_mode":
        text = f'"{value:04o}"'
    elif isinstance(value, float) or words[-1] == "s":
        text = f'"{_duration(value)}"'
    elif "bytes" in words:
        text = f'"{_size(value)}"'
    elif isinstance(value, str) and value:
        text = f'"{value}"'
    elif isinstance(value, int):
        text = str(value)
    return text


def _is_off(parse: Callable[[Any], Any]) -> bool:
    try:
        return parse("off") is None
    except ValueError:
        return False


def _size(size: int) -> str:
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size % unit == 0:
            return f"{size // unit}{name}"
    return str(size)


def _duration(seconds: float) -> str:
    for unit, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % unit == 0:
            return f"{seconds / unit:g}{name}"
    return f"{seconds:g}s" if seconds == 0 or seconds >= 1 else f"{seconds * 1000:g}ms"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
