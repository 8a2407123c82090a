"""What an endpoint is: one table makes the routes, the OpenAPI document and the page at /docs."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sidespand.errors import InvalidRequest
from sidespand.query.documents import Document

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a question names.

    Args:
        name: In the path or the query.
        text: What it is, for people.
        kind: ``string`` or ``integer``.
        required: In the query it must be there; what is in a path always is.
        default: Where it is not given.
        least: Of an integer.
        most: Of an integer.
        choices: Of a string; empty for any.
    """

    name: str
    text: str
    kind: str = "string"
    required: bool = False
    default: str | int | None = None
    least: int = 0
    most: int = 0
    choices: tuple[str, ...] = ()


class Asked:
    """One question, its parameters checked.

    Args:
        request: As it came.
        values: By name; None for what is neither given nor has a default.
    """

    def __init__(self, request: Request, values: Mapping[str, Any]) -> None:
        self.request = request
        self._values = values

    def text(self, name: str) -> str:
        """Return a string that is required, or has a default."""
        return str(self._values[name])

    def maybe(self, name: str) -> str | None:
        """Return a string; None where it is not given."""
        value = self._values[name]
        return None if value is None else str(value)

    def number(self, name: str) -> int:
        """Return an integer that has a default."""
        return int(self._values[name])


Answer = Callable[[Asked], Document]
Handler = Callable[[Asked], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route.

    Args:
        path: With ``{name}`` for parts that are parameters.
        text: What it answers, in one sentence.
        answer: Works in a thread and returns the document; None where ``handler`` does it.
        handler: Works on the event loop.
        schema: The name of the answer's schema, or a media type where it is no JSON.
        parameters: Of path and query.
        body: The schema of the body that is posted; None for GET.
        method: ``GET`` or ``POST``.
        writes: It changes the store: only asked for where the door says so.
        slow: It takes seconds: one at a time.
    """

    path: str
    text: str
    answer: Answer | None = None
    handler: Handler | None = None
    schema: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: str | None = None
    method: str = "GET"
    writes: bool = False
    slow: bool = False


def read_parameters(request: Request, parameters: Sequence[Parameter]) -> Asked:
    """Return what a request names.

    Raises:
        InvalidRequest: A parameter is unknown, missing, given twice or malformed. Not retryable.
    """
    known = {one.name for one in parameters}
    given: dict[str, str] = dict(request.path_params)
    for name, value in request.query_params.multi_items():
        if name not in known or name in request.path_params:
            raise InvalidRequest(
                f"there is no parameter {name[:64]!r} here",
                hint=f"there are {', '.join(sorted(known)) or 'none'}",
            )
        if name in given:
            raise InvalidRequest(f"{name}: given twice")
        given[name] = value
    return Asked(request, {one.name: _value(one, given.get(one.name)) for one in parameters})


async def read_body(request: Request) -> dict[str, Any]:
    """Return the JSON object that was posted.

    Raises:
        InvalidRequest: It is none. Not retryable.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the body is not JSON") from error
    if not isinstance(body, dict):
        raise InvalidRequest("the body is not a JSON object")
    return body


def _value(parameter: Parameter, text: str | None) -> str | int | None:
    name = parameter.name
    if text is None or text == "":
        if parameter.required:
            raise InvalidRequest(f"{name}: missing", hint=parameter.text)
        return parameter.default
    if parameter.kind == "integer":
        number = int(text[:10]) if text.isascii() and text.isdigit() else -1
        if not parameter.least <= number <= parameter.most or len(text) > len(str(parameter.most)):
            raise InvalidRequest(
                f"{name}: expected a number from {parameter.least} to {parameter.most}"
            )
        return number
    if parameter.choices and text not in parameter.choices:
        raise InvalidRequest(f"{name}: expected one of {', '.join(parameter.choices)}")
    return text
