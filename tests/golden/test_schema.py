"""The wire schema only grows: no field that was once sent is renamed, renumbered or reused."""

import json
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from sidespan.v1 import recorder_pb2

KNOWN = Path(__file__).parent / "schema/recorder.json"


def schema(file: FileDescriptor) -> dict[str, dict[str, str]]:
    """Return each message's fields by number, and each enum's values, as text."""
    found: dict[str, dict[str, str]] = {}
    pending: list[Descriptor] = list(file.message_types_by_name.values())
    enums = list(file.enum_types_by_name.values())
    while pending:
        message = pending.pop()
        proto = DescriptorProto()
        message.CopyToProto(proto)
        found[message.full_name] = {str(one.number): field(one) for one in proto.field}
        pending += message.nested_types
        enums += message.enum_types
    for enum in enums:
        found[enum.full_name] = {str(value.number): value.name for value in enum.values}
    return found


def field(one: FieldDescriptorProto) -> str:
    """Return what may not change of a field."""
    kind = FieldDescriptorProto.Type.Name(one.type).removeprefix("TYPE_").lower()
    label = FieldDescriptorProto.Label.Name(one.label).removeprefix("LABEL_").lower()
    return f"{label} {one.type_name or kind} {one.name}"


def test_every_known_field_is_what_it_was() -> None:
    """Each message, field and enum value of the committed schema is still there, unchanged."""
    known = json.loads(KNOWN.read_text())
    now = schema(recorder_pb2.DESCRIPTOR)

    for message, fields in known.items():
        assert fields.items() <= now[message].items(), message


def test_every_field_is_known() -> None:
    """A new field is committed with its number, so that nobody uses it for another one later."""
    assert schema(recorder_pb2.DESCRIPTOR) == json.loads(KNOWN.read_text())
