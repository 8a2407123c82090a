"""A local HTTP server that speaks as much of two model APIs as the programs need."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from exchanges import (
    ANTHROPIC_REPLIES,
    LIMITED,
    OPENAI_EMBEDDING,
    OPENAI_LIMIT,
    OPENAI_REPLIES,
)

STUB_PORT: Final = 18080
"""Fixed, because instrumentations write the server's port into their spans."""


@contextmanager
def serving() -> Iterator[str]:
    """Answer on loopback until the block ends; yields the base URL without a path.

    Raises:
        OSError: The port is taken.
    """
    server = ThreadingHTTPServer(("127.0.0.1", STUB_PORT), _Handler)
    thread = threading.Thread(target=server.serve_forever, name="stub")
    thread.start()
    try:
        yield f"http://127.0.0.1:{STUB_PORT}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        match self.path:
            case "/v1/chat/completions" if _last_text(asked) == LIMITED:
                self._json(HTTPStatus.TOO_MANY_REQUESTS, OPENAI_LIMIT)
            case "/v1/chat/completions":
                reply = OPENAI_REPLIES[_last_text(asked)]
                if asked.get("stream"):
                    self._events(_chat_chunks(reply))
                else:
                    self._json(HTTPStatus.OK, reply)
            case "/v1/embeddings":
                self._json(HTTPStatus.OK, OPENAI_EMBEDDING)
            case "/v1/messages":
                reply = ANTHROPIC_REPLIES[_last_text(asked)]
                if asked.get("stream"):
                    self._events(_message_events(reply))
                else:
                    self._json(HTTPStatus.OK, reply)
            case _:
                self._json(HTTPStatus.NOT_FOUND, {"error": {"message": self.path}})

    def _json(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _events(self, events: Iterator[tuple[str, str]]) -> None:
        text = "".join(
            (f"event: {name}\n" if name else "") + f"data: {data}\n\n" for name, data in events
        )
        self._send(HTTPStatus.OK, "text/event-stream", text.encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Stay silent: the recording prints one line an emitter."""


def _last_text(asked: dict[str, Any]) -> str:
    """Return the text of the last message, whichever of the two APIs wrote it."""
    content = asked["messages"][-1]["content"]
    while isinstance(content, list):
        block = content[0]
        content = block["text"] if block["type"] == "text" else block["content"]
    return str(content)


def _chat_chunks(reply: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the reply word by word, then the usage in a chunk without choices, then the end."""
    head = {key: value for key, value in reply.items() if key not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    words = reply["choices"][0]["message"]["content"].split(" ")
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word if i == 0 else f" {word}"}, None) for i, word in enumerate(words)]
    deltas.append(({}, reply["choices"][0]["finish_reason"]))
    for delta, finish_reason in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        yield "", json.dumps(head | {"choices": [choice], "usage": None})
    yield "", json.dumps(head | {"choices": [], "usage": reply["usage"]})
    yield "", "[DONE]"


def _message_events(reply: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the reply as the six kinds of event; output tokens are final in message_delta only."""
    usage = reply["usage"]
    start = reply | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    text = reply["content"][0]["text"]
    half = len(text) // 2
    block = {"type": "text", "text": ""}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}}
        for part in (text[:half], text[half:])
    ]
    events += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": reply["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": usage["output_tokens"]},
        },
        {"type": "message_stop"},
    ]
    for event in events:
        yield event["type"], json.dumps(event)
