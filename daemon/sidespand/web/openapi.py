"""The OpenAPI document, made of the table of endpoints.

Source: OpenAPI 3.1.1.
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sidespand import __version__
from sidespand.web.schemas import SCHEMAS, ref
from sidespand.web.table import Endpoint, Parameter

_IN_PATH = re.compile(r"\{(\w+)")
_WORD = re.compile(r"[a-z]+")


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return what the endpoints take and answer."""
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Sidespan",
            "version": __version__,
            "description": "What agents did on this node. Fields and routes are only ever added. "
            "Times in nanoseconds are decimal strings, positions lineage:lsn.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "On TCP: what api.token in the data directory holds.",
                }
            },
        },
        "security": [{"token": []}, {}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    in_path = set(_IN_PATH.findall(endpoint.path))
    found: dict[str, Any] = {
        "operationId": "_".join([endpoint.method.lower(), *_WORD.findall(endpoint.path)]),
        "summary": endpoint.text,
        "parameters": [_parameter(one, in_path) for one in endpoint.parameters],
        "responses": {
            **_good(endpoint),
            "default": {
                "description": "It was not done; the message says why.",
                "content": {"application/json": {"schema": ref("Error")}},
            },
        },
    }
    if endpoint.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": ref(endpoint.body)}},
        }
    return found


def _good(endpoint: Endpoint) -> dict[str, Any]:
    is_json = "/" not in endpoint.schema
    kind = "application/json" if is_json else endpoint.schema
    schema = ref(endpoint.schema) if is_json else {"type": "string"}
    return {"2XX": {"description": "The answer.", "content": {kind: {"schema": schema}}}}


def _parameter(parameter: Parameter, in_path: AbstractSet[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.kind}
    if parameter.kind == "integer":
        schema |= {"minimum": parameter.least, "maximum": parameter.most}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.default not in (None, ""):
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "path" if parameter.name in in_path else "query",
        "required": parameter.name in in_path or parameter.required,
        "description": parameter.text,
        "schema": schema,
    }
