"""``sidespan open``: prints the page of a trace, and opens it in a browser.

The address carries the store's token behind its ``#``, which a browser sends to nobody. On a
terminal the browser gets a file that leads there, since other users see a command's arguments.
"""

import argparse
import contextlib
import html
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sidespand.cli import answers, api, exits, show, store
from sidespand.cli.output import print_json, print_note
from sidespand.config import load
from sidespand.errors import NotFound, PermissionRefused

if TYPE_CHECKING:
    from sidespand.config import Config

_VIEWS = ("waterfall", "context", "state", "flow", "evidence")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - it is what the configuration may say.
_TOKEN_CHARACTERS_MAX = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    answers.add_reading(parser)
    parser.add_argument(
        "id", metavar="ID|last", nargs="?", help="a trace or span; without one the list of traces"
    )
    parser.add_argument("--view", choices=_VIEWS, help="default waterfall")
    parser.add_argument("--print", action="store_true", help="print the address alone")
    parser.set_defaults(all=False)


def run(args: argparse.Namespace) -> int:
    """Print the address; open it where there is a terminal and a browser.

    Raises:
        NotFound: No such trace, or the daemon serves no page.
        PermissionRefused: This user may not read the store's token.
    """
    trace_id = None if args.id is None else show.find(args, args.id).trace_id.hex()
    settings = _settings(args)
    address = link(settings, trace_id, args.view)
    if args.json:
        print_json({"url": address, "trace_id": trace_id})
        return exits.OK
    print(address)
    if not settings.runtime_dir.joinpath("api.sock").exists():
        print_note("no daemon runs there now: start it with `sidespan serve`, then open the page")
    elif sys.stdout.isatty() and not args.print:
        _open(settings, address)
    return exits.OK


def link(config: "Config", trace_id: str | None, view: str | None = None) -> str:
    """Return the address of a trace's page, or of the list of traces.

    Raises:
        NotFound: The daemon is told to serve no page, or has made no token yet.
        PermissionRefused: This user may not read the token.
    """
    served = _served(config)
    path = "/" if trace_id is None else f"/t/{trace_id}"
    query = "" if view is None else f"?view={view}"
    return f"{served}{path}{query}#token={_token(config.data_dir)}"


def _served(config: "Config") -> str:
    """Return where the page is: as the daemon says, else as it is told."""
    off = NotFound(
        "the daemon serves no page",
        hint='set web.listen = "127.0.0.1:4320" and start it again',
    )
    with contextlib.suppress(api.Absent):
        told = api.get(config.runtime_dir / "api.sock", "/v1/status").get("web")
        if not isinstance(told, str):
            raise off
        return told
    listen = config.web_listen
    if listen is None:
        raise off
    host = "127.0.0.1" if listen.host in _EVERYWHERE else listen.host
    return f"http://[{host}]:{listen.port}" if ":" in host else f"http://{host}:{listen.port}"


def _settings(args: argparse.Namespace) -> "Config":
    flags = {}
    if args.data is not None:
        flags["data_dir"] = str(store.data_dir(args))
    if args.run is not None:
        flags["runtime_dir"] = args.run
    return load(args.config, flags)


def _token(data_dir: Path) -> str:
    path = data_dir / "api.token"
    try:
        with path.open(encoding="ascii") as file:
            return file.read(_TOKEN_CHARACTERS_MAX).strip()
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no token at {path}: no daemon has served a page from this store",
            hint="start it with `sidespan serve`",
        ) from error
    except PermissionError as error:
        raise PermissionRefused(
            f"this user may not read {path}", hint="open the page as the user of the daemon"
        ) from error


def _open(config: "Config", address: str) -> None:
    path = config.runtime_dir / "open.html"
    draft = config.runtime_dir / f".open.{os.getpid()}.html"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f'<meta http-equiv=refresh content="0;url={html.escape(address)}">\n')
        draft.replace(path)
    except OSError:
        print_note("open the address above in a browser")
        return
    import webbrowser

    if not webbrowser.open(path.as_uri()):
        print_note("no browser was found here: open the address above in one")
