"""The ``nats`` sink: every record a message in a JetStream stream.

    subject      <prefix>.<node reference, escaped>.<spans | logs | metrics>
    Nats-Msg-Id  <lineage>:<last LSN in it>
    payload      the OTLP request as recorded, with stamps

A record that is larger than the server takes becomes several messages, cut between items. A message
that the stream knows by its id is not stored again: what ends at an LSN holds all that an earlier
message of that id did not have before it.
"""

import asyncio
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sidespand import hlc
from sidespand.errors import ConfigError
from sidespand.limits import NATS_HEADER_BYTES_MAX, NATS_WINDOW_MESSAGES
from sidespand.model import Delivered, Delivery, Kind, Record, Rejected, Retry
from sidespand.sinks import nats_options, otlp_walk, stamping
from sidespand.sinks.spec import Generations, NodeRef, SinkType, node_refs

if TYPE_CHECKING:
    import nats.aio.client
    import nats.js

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]")
_SUFFIX: Final = {Kind.SPANS: "spans", Kind.LOGS: "logs", Kind.METRICS: "metrics"}
# JetStream: "message size exceeds maximum allowed".
_TOO_LARGE_FOR_STREAM: Final = 10054


class Settings(NamedTuple):
    """Where a ``NatsSink`` publishes.

    Args:
        login: How the servers are reached.
        prefix: Of every subject.
        stream: The one that must take the messages; empty for any.
        timeout_s: Of a connection, and of an acknowledgement.
        message_bytes_max: Of a payload, where the server takes more.
    """

    login: nats_options.Login
    prefix: str
    stream: str
    timeout_s: float
    message_bytes_max: int


class Message(NamedTuple):
    """What is published.

    Args:
        subject: Where.
        id: ``lineage:lsn`` of its last item.
        item_count: Of items in it.
        headers: Beside the id.
        body: An encoded OTLP request.
    """

    subject: str
    id: str
    item_count: int
    headers: Mapping[str, str]
    body: bytes


class NatsSink:
    """Implements ``ports.Sink``. Delivered means that the stream has acknowledged every message.

    Args:
        settings: Where to publish.
        node_ref: Tells a generation's ``source_node_ref``.
    """

    kinds = frozenset(_SUFFIX)

    def __init__(self, settings: Settings, node_ref: NodeRef) -> None:
        self._settings = settings
        self._node_ref = node_ref
        self._client: nats.aio.client.Client | None = None

    async def deliver(self, records: Sequence[Record]) -> Delivery:
        """Publish the records; after a failure all of them must come again."""
        import nats.errors
        import nats.js.errors

        try:
            client = await self._connected()
            return await self._publish(client, records)
        except (ConfigError, nats.js.errors.Error) as error:
            # No stream, another one than asked for, none that has a leader: the connection is good.
            return Retry(str(error))
        except (nats.errors.Error, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            await self.close()
            return Retry(f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Break off what is on its way and close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await nats_options.close(client)

    async def _connected(self) -> "nats.aio.client.Client":
        import nats.errors

        if self._client is not None and self._client.is_connected:
            return self._client
        await self.close()
        servers = list(self._settings.login.servers)
        random.shuffle(servers)
        failure: Exception = nats.errors.NoServersError()
        for server in servers:
            try:
                self._client = await self._settings.login.connect(server, self._settings.timeout_s)
            except (nats.errors.Error, OSError, TimeoutError) as error:
                failure = error
                continue
            return self._client
        raise failure

    async def _publish(
        self, client: "nats.aio.client.Client", records: Sequence[Record]
    ) -> Delivery:
        stream = client.jetstream(timeout=self._settings.timeout_s)
        bytes_max = min(
            client.max_payload - NATS_HEADER_BYTES_MAX, self._settings.message_bytes_max
        )
        messages = (one for record in records for one in self._messages(record, bytes_max))
        refused, reason = 0, ""
        # One alone first: a new client sets itself up meanwhile, and could let others overtake it.
        count = 1
        while window := list(islice(messages, count)):
            count = NATS_WINDOW_MESSAGES
            answers = await asyncio.gather(
                *(self._store(stream, one, bytes_max) for one in window), return_exceptions=True
            )
            for message, answer in zip(window, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                if answer:
                    refused, reason = refused + message.item_count, answer
        return Rejected(refused, reason) if refused else Delivered()

    async def _store(
        self, stream: "nats.js.JetStreamContext", message: Message, bytes_max: int
    ) -> str:
        import nats.js.errors

        if len(message.body) > bytes_max:
            return f"an item of {len(message.body)} bytes, the server takes {bytes_max}"
        try:
            await stream.publish(
                message.subject,
                message.body,
                stream=self._settings.stream or None,
                headers={"Nats-Msg-Id": message.id, **message.headers},
            )
        except nats.js.errors.APIError as error:
            if error.err_code != _TOO_LARGE_FOR_STREAM:
                raise
            return f"the stream takes no message of {len(message.body)} bytes"
        return ""

    def _messages(self, record: Record, bytes_max: int) -> Iterator[Message]:
        header = record.header
        assert record.payload is not None
        node_ref = self._node_ref(header.lineage, header.boot_generation)
        body = stamping.stamp(record.payload, header, node_ref, record.prev_lsn)
        if len(body) > bytes_max and header.item_count > 1:
            for half in otlp_walk.halves([record]):
                for part in half:
                    yield from self._messages(part, bytes_max)
            return
        kind = _SUFFIX[header.kind]
        yield Message(
            f"{self._settings.prefix}.{token(node_ref)}.{kind}",
            str(record.position),
            header.item_count,
            {
                "Content-Type": "application/x-protobuf",
                "Sidespan-Node-Ref": node_ref,
                "Sidespan-Lineage": header.lineage.hex(),
                "Sidespan-Boot-Generation": str(header.boot_generation),
                "Sidespan-First-Lsn": str(header.first_lsn),
                "Sidespan-Last-Lsn": str(header.last_lsn),
                "Sidespan-Hlc": hlc.text(header.stamp),
            },
            body,
        )


def token(text: str) -> str:
    """Return ``text`` as one token of a subject: other texts have other tokens.

    Letters of ASCII, digits, ``-`` and ``_`` stand for themselves, each other byte of its UTF-8 as
    ``=XX`` in upper hex; an empty text is ``=``.
    """
    escaped = (
        character
        if _PLAIN.fullmatch(character)
        else "".join(f"={byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
        for character in text
    )
    return "".join(escaped) or "="


def _make(options: Mapping[str, Any], _place: Path, generations: Generations) -> NatsSink:
    settings = Settings(
        nats_options.login_of(options),
        options["subject_prefix"],
        options["stream"],
        options["timeout"],
        options["message_bytes_max"],
    )
    return NatsSink(settings, node_refs(generations))


NATS = SinkType(nats_options.OPTIONS, _make, faults=nats_options.faults)
