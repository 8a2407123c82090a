"""Where answers about traces come from: the running daemon, else the index's file.

Both give the documents of the API.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidespand.cli import api, arguments, store
from sidespand.cli.output import print_note
from sidespand.errors import NotFound, StoreUnreadable
from sidespand.limits import API_CONNECT_S

if TYPE_CHECKING:
    from sidespand.index.reader import IndexReader

Document = dict[str, Any]

_PAGE_ROWS = 500
_PAUSE_S = 0.05


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes that asks the daemon or the index."""
    arguments.add_store(parser)
    parser.add_argument(
        "--run", metavar="DIR", help="ask the daemon whose sockets are there; default: runtime_dir"
    )
    arguments.add_utc(parser)


def add_query(parser: argparse.ArgumentParser) -> None:
    """Add the query, whose terms may stand anywhere."""
    parser.set_defaults(query_terms=True)
    parser.add_argument(
        "query", metavar="QUERY", nargs="*",
        help='such as kind:llm model:gpt-* dur:>2s since:1h text:"refund"; docs/search.md',
    )  # fmt: skip


def query_text(args: argparse.Namespace, extra: str = "") -> str:
    """Return the query of the arguments as a line that means the same everywhere.

    Args:
        args: With ``query`` and ``utc``.
        extra: Further terms.

    Raises:
        InvalidRequest: It is none; the message names the term.
    """
    given = [word.strip() for word in args.query]
    words = given if len(given) == 1 else [_quoted(word) for word in given]
    zone: tzinfo | None = UTC if args.utc else datetime.now(UTC).astimezone().tzinfo
    line = " ".join([*words, extra]).strip()
    if not line:
        return ""
    from sidespand import search

    return search.text(search.parse(line, time.time_ns(), zone))


def _quoted(word: str) -> str:
    """Return a word as it was before the shell took its quotation marks away."""
    if '"' in word or not any(character.isspace() for character in word):
        return word
    field, colon, value = word.partition(":")
    if not colon or any(character.isspace() for character in field):
        return f'"{word}"'
    return f'{field}:"{value}"'


def daemon_socket(args: argparse.Namespace) -> Path | None:
    """Return the API's socket of the daemon that the arguments mean; None where none is.

    Who names a store means its files, not whatever daemon runs.

    Raises:
        ConfigError: The configuration cannot be used.
        Absent: ``--run`` names a directory without one.
    """
    if args.run is None and args.data is not None:
        return None
    if args.run is not None:
        path = Path(args.run).expanduser() / "api.sock"
        if not path.exists():
            _wait_for(path, args.run)
        return path
    from sidespand.config import load

    path = load(args.config, {}).runtime_dir / "api.sock"
    return path if path.exists() else None


def _wait_for(path: Path, directory: str) -> None:
    """Return once the API's socket is there: a daemon takes spans before it answers questions.

    Raises:
        Absent: No daemon runs there, whatever sockets one left behind; or it answers nothing.
    """
    from sidespand.cli.unix_http import listens

    deadline_s = time.monotonic() + API_CONNECT_S
    while not path.exists():
        if not listens(path.with_name("ingest.sock")) or time.monotonic() > deadline_s:
            raise api.Absent(
                f"no daemon has its sockets in {directory}", hint="start it with `sidespan serve`"
            )
        time.sleep(_PAUSE_S)


class Answers:
    """Asks the daemon, else the index.

    Args:
        api_sock: Of the daemon; None to ask the index alone.
        data_dir: Names the store, once it is needed.
        strict: The daemon alone is meant.
    """

    def __init__(
        self, api_sock: Path | None, data_dir: Callable[[], Path], *, strict: bool = False
    ) -> None:
        self.api_sock = api_sock
        self._data_dir = data_dir
        self._strict = strict
        self._index: IndexReader | None = None

    def traces(
        self, query: str, sort: str | None = None, limit: int = 50, after: str | None = None
    ) -> Document:
        """Return a part of the traces that match.

        Raises:
            InvalidRequest: Query, order or place are none. Not retryable.
            NotFound: Neither a daemon nor an index is there.
        """

        def ask(index: "IndexReader") -> Document:
            from sidespand import search
            from sidespand.index import documents

            order = search.sort_by(sort) if sort else None
            return documents.traces_page(index.traces(search.parse(query), order, limit, after))

        return self.ask("/v1/traces", _page(query, sort, limit, after), ask)

    def spans(
        self, query: str, sort: str | None = None, limit: int = 50, after: str | None = None
    ) -> Document:
        """Return a part of the spans that match; raises as ``traces``."""

        def ask(index: "IndexReader") -> Document:
            from sidespand import search
            from sidespand.index import documents

            order = search.sort_by(sort) if sort else None
            return documents.spans_page(index.spans(search.parse(query), order, limit, after))

        return self.ask("/v1/spans", _page(query, sort, limit, after), ask)

    def stats(self, query: str, by: str) -> Document:
        """Return sums over the spans that match; raises as ``traces``."""

        def ask(index: "IndexReader") -> Document:
            from sidespand import search
            from sidespand.index import documents

            return documents.stats(index.stats(search.parse(query), by))

        return self.ask("/v1/stats", {"q": query, "by": by}, ask)

    def sql(self, text: str, limit: int) -> Document:
        """Return the answer to a SELECT.

        Raises:
            InvalidRequest: It is none. Not retryable.
            NotFound: Neither a daemon nor an index is there.
        """

        def ask(index: "IndexReader") -> Document:
            from sidespand.index import documents

            return documents.table(index.sql(text, limit))

        return self.ask("/v1/sql", {"sql": text, "limit": limit}, ask, api.post)

    def each_trace(self, query: str, sort: str | None, limit: int) -> Iterator[Document]:
        """Yield the traces that match, at most ``limit``; raises as ``traces``."""
        after = None
        while limit > 0:
            page = self.traces(query, sort, min(limit, _PAGE_ROWS), after)
            yield from page["traces"]
            limit -= len(page["traces"])
            after = page["next"]
            if after is None:
                return

    def close(self) -> None:
        """Let go of the index."""
        if self._index is not None:
            self._index.close()

    def ask(
        self,
        route: str,
        given: Document,
        local: "Callable[[IndexReader], Document]",
        send: Callable[[Path, str, Document], Document] = api.get,
    ) -> Document:
        """Return the daemon's answer to a question, else that of the index.

        Args:
            route: As ``api.get`` takes it.
            given: The same.
            local: Answers from the index what the daemon would.
            send: ``api.get`` or ``api.post``.

        Raises:
            NotFound: Nothing answers to what is asked for, or nobody answers. Not retryable.
            SidespanError: It is refused.
        """
        if self.api_sock is not None:
            try:
                return send(self.api_sock, route, given)
            except api.Absent:
                if self._strict:
                    raise
                # A daemon that was killed leaves its socket behind.
                self.api_sock = None
        return local(self.index())

    def index(self) -> "IndexReader":
        """Return the index itself, which is opened once.

        Raises:
            NotFound: There is none. Not retryable.
            StoreUnreadable: There is no store either. Not retryable.
        """
        if self._index is None:
            from sidespand.index.reader import IndexReader
            from sidespand.index.schema import FILE_NAME

            data_dir = self._data_dir()
            path = data_dir / "index" / FILE_NAME
            if not path.exists():
                from sidespand.journal.layout import Layout

                if not Layout(data_dir).manifest_path.exists():
                    raise StoreUnreadable(
                        f"there is no store in {data_dir}, and no daemon answers",
                        hint="name the daemon's data directory with --data DIR, or start one with"
                        " `sidespan serve`",
                    )
                raise NotFound(
                    f"no daemon answers, and there is no index at {path}",
                    hint="start it with `sidespan serve`, or make the index:"
                    f" `sidespan reindex --data {data_dir}`",
                )
            self._index = IndexReader(path)
        return self._index


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Answers]:
    """Open what the arguments mean, and let go of it afterwards.

    Raises:
        ConfigError: The configuration cannot be used.
        Absent: ``--run`` names a directory without a daemon.
    """
    found = Answers(daemon_socket(args), lambda: store.data_dir(args), strict=args.run is not None)
    try:
        yield found
    finally:
        found.close()


def tell_state(document: Document) -> None:
    """Say on stderr when an answer lacks what is not indexed yet."""
    if document.get("index", {}).get("state", "live") != "live":
        print_note("the index is being made: what was recorded last may be missing")


def is_select(words: Sequence[str]) -> bool:
    """Tell whether these words are a question in SQL."""
    first = " ".join(words).split(None, 1)
    return bool(first) and first[0].upper() in ("SELECT", "WITH", "EXPLAIN", "VALUES")


def _page(query: str, sort: str | None, limit: int, after: str | None) -> Document:
    return {"q": query or None, "sort": sort, "limit": limit, "after": after}
