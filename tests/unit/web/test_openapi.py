"""The OpenAPI document says what is served: no route more, none less, and sound schemas."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sidespand.web import openapi
from sidespand.web.schemas import SCHEMAS
from tests.api_server import TOKEN as TOKEN_SHOWN
from tests.api_server import Doors, ask, served

BEARER = {"Authorization": f"Bearer {TOKEN_SHOWN}"}


def test_schemas_are_sound() -> None:
    """Each one is JSON Schema, and each reference leads somewhere."""
    for name, schema in SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        for target in re.findall(r"#/components/schemas/(\w+)", str(schema)):
            assert target in SCHEMAS, (name, target)


def test_the_document_is_the_table(tmp_path: Path) -> None:
    """Each route of a door is in its document, and answers as a route; no other is."""

    async def use(doors: Doors) -> None:
        for where, headers, writes in ((doors.path, {}, True), (doors.port, BEARER, False)):
            told = await asyncio.to_thread(ask, where, "GET", "/v1/openapi.json", None, headers)
            document = told.json
            table = {
                (one.path, one.method.lower())
                for one in doors.api.endpoints
                if writes or not one.writes
            }
            listed = {
                (path, method) for path, methods in document["paths"].items() for method in methods
            }
            assert listed == table
            ids = [one["operationId"] for one in _operations(document)]
            assert len(ids) == len(set(ids))
            for path, methods in document["paths"].items():
                # Another method shows that the path is routed, whatever it would answer.
                route = re.sub(r"\{\w+\}", "last", path)
                probe = await asyncio.to_thread(
                    ask, where, "DELETE", route, b"{}",
                    {**headers, "Content-Type": "application/json"},
                )  # fmt: skip
                assert probe.status == 405, path
                assert set(methods) <= {one.lower() for one in probe.headers["allow"].split(", ")}

    served(tmp_path, use)


def test_parameters_are_those_of_the_path(tmp_path: Path) -> None:
    """Each part of a path in braces is a parameter, and required."""

    async def use(doors: Doors) -> None:
        for path, methods in openapi.document(doors.api.endpoints)["paths"].items():
            for operation in methods.values():
                in_path = [one for one in operation["parameters"] if one["in"] == "path"]
                assert {one["name"] for one in in_path} == set(re.findall(r"\{(\w+)\}", path))
                assert all(one["required"] for one in in_path)

    served(tmp_path, use)


@pytest.mark.parametrize("route", ["/v1/status", "/v1/verify", "/v1/open", "/v1/complete"])
def test_answers_have_their_schemas(tmp_path: Path, route: str) -> None:
    """What needs no index answers as the document says; e2e/test_api.py asks the others."""

    async def use(doors: Doors) -> None:
        document = openapi.document(doors.api.endpoints)
        told = await asyncio.to_thread(ask, doors.path, "GET", route)
        assert told.status == 200
        good = document["paths"][route]["get"]["responses"]["2XX"]
        schema = good["content"]["application/json"]["schema"]
        schema = {**schema, "components": document["components"]}
        Draft202012Validator(schema).validate(told.json)

    served(tmp_path, use)


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for methods in document["paths"].values() for one in methods.values()]
