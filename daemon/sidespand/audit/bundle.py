"""A proof bundle: one record with all that is needed to check it offline against the node's key.

    {"schema": "sidespan-proof/1",
     "position": "<lineage>:<lsn>",         the item that was asked for
     "record": "<base64>",                  header and edges: what the leaf hash covers
     "proof": "<C2SP tlog-proof text>",     leaf index, path, signed checkpoint
     "key": "<signed note>",                who signs for that checkpoint's generation
     "salt": "<base64>", "payload": "<base64>"}        together, or not at all

Header and edges are those of the store, so whoever has the bundle has a record that questions of
order can be asked of.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import google_crc32c

from sidespand import merkle
from sidespand.audit.report import Fault, Finding, Report
from sidespand.errors import SidespanError
from sidespand.evidence import note, tlog_proof
from sidespand.evidence.authority import is_of_lineage
from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.evidence.keys import verify_checkpoint, verify_key_body
from sidespand.evidence.note import Verifier
from sidespand.evidence.proofs import included
from sidespand.journal import record as codec
from sidespand.limits import BUNDLE_BYTES_MAX
from sidespand.model import Record
from sidespand.query.coverage import Coverage

SCHEMA = "sidespan-proof/1"
_CRC = struct.Struct(">I")
_ORDINAL = 0


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a bundle says, not checked but for its form.

    Args:
        position: Text of the item's position.
        proved: Header and edges.
        proof: Leaf index, path and checkpoint.
        key: The signed note of the KEY record.
        salt: 16 bytes; None without the payload.
        payload: The stored bytes; None when they were left out or redacted.
    """

    position: str
    proved: bytes
    proof: tlog_proof.TlogProof
    key: str
    salt: bytes | None = None
    payload: bytes | None = None

    def record(self) -> Record:
        """Return the record as the journal would read it back.

        Raises:
            DamagedRecord: Header and edges are not those of a record.
        """
        value = self.proved + _CRC.pack(google_crc32c.value(self.proved))
        if self.payload is not None and self.salt is not None:
            checksum = codec.payload_checksum(self.payload, self.salt)
            value += self.salt + _CRC.pack(checksum) + self.payload
        header, edges, leaf, payload = codec.decode(value)
        return Record(_ORDINAL, header, edges, leaf, payload)


def bundle(value: bytes, position: str, coverage: Coverage, *, with_payload: bool) -> Bundle:
    """Return the bundle of a record.

    Args:
        value: Its stored bytes.
        position: Text of the item that was asked for.
        coverage: Of the record; a checkpoint covers it.
        with_payload: Put payload and salt in, unless they were redacted.

    Raises:
        DamagedRecord: The stored bytes are not those of a record.
    """
    signed = coverage.signed
    assert signed is not None
    header, _, _, payload = codec.decode(value)
    proved = codec.proved_part(value)
    salt = codec.salt_part(value) if with_payload and payload is not None else None
    proof = tlog_proof.TlogProof(header.record_index, coverage.path, signed.text)
    return Bundle(
        position, proved, proof, signed.statement, salt, payload if salt is not None else None
    )


def text(made: Bundle) -> str:
    """Return a bundle as it is kept."""
    document = {
        "schema": SCHEMA,
        "position": made.position,
        "record": note.encode_base64(made.proved),
        "proof": tlog_proof.text(made.proof),
        "key": made.key,
    }
    if made.payload is not None and made.salt is not None:
        document["salt"] = note.encode_base64(made.salt)
        document["payload"] = note.encode_base64(made.payload)
    return json.dumps(document, indent=1) + "\n"


def parse(data: bytes) -> Bundle:
    """Return what a bundle says.

    Raises:
        Malformed: It is not one, or over a bound.
    """
    if len(data) > BUNDLE_BYTES_MAX:
        raise Malformed(f"the bundle has over {BUNDLE_BYTES_MAX} bytes")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise Malformed("the bundle is not JSON") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise Malformed(f"the bundle's schema is not {SCHEMA}")
    unknown = set(document) - {"schema", "position", "record", "proof", "key", "salt", "payload"}
    if unknown:
        raise Malformed(f"the bundle has {len(unknown)} fields that are none of its own")
    if ("salt" in document) != ("payload" in document):
        raise Malformed("the bundle has one of salt and payload")
    has_payload = "payload" in document
    salt = note.decode_base64(_text(document, "salt")) if has_payload else None
    if salt is not None and len(salt) != codec.SALT_BYTES:
        raise Malformed("the bundle's salt has another length")
    return Bundle(
        _text(document, "position"),
        note.decode_base64(_text(document, "record")),
        tlog_proof.parse(_text(document, "proof").encode(errors="surrogatepass")),
        _text(document, "key"),
        salt,
        note.decode_base64(_text(document, "payload")) if has_payload else None,
    )


def verify(data: bytes, pinned: Verifier | None) -> Report:
    """Return what a bundle shows; nothing but its bytes and the key is read.

    Args:
        data: The bundle.
        pinned: The node's verifier key; None to take the bundle's own word for who signed.
    """
    report = Report("bundle")
    try:
        found = parse(data)
        record = found.record()
    except SidespanError as error:
        report.findings.append(Finding(Fault.MALFORMED, "bundle", str(error)))
        return report
    header = record.header
    first, last = header.first_lsn, header.last_lsn
    lineage = header.lineage.hex()
    if found.position not in {f"{lineage}:{lsn}" for lsn in _ends(found.position, first, last)}:
        message = f"it names {found.position[:64]!r}, its record is {lineage}:{first} to {last}"
        report.findings.append(Finding(Fault.WRONG_PLACE, "position", message))
    report.facts = {
        "position": found.position,
        "lineage": lineage,
        "first_lsn": str(first),
        "last_lsn": str(last),
        "kind": header.kind.name.lower(),
        "record_index": str(header.record_index),
        "boot_generation": header.boot_generation,
        "leaf": record.leaf.hex(),
        "payload": "included" if record.payload is not None else "not included",
    }
    _check_signatures(report, found, record, pinned)
    _check_payload(report, found, record)
    report.not_established += [
        "that the record is true, or that nothing was left out before it was accepted",
        "that there is no second log which nobody showed you",
    ]
    return report


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise Malformed(f"the bundle's {name} is not text")
    return value


def _ends(position: str, first: int, last: int) -> list[int]:
    # The LSN that a position names, if the record has it.
    number = position.rpartition(":")[2]
    plain = number.isascii() and number.isdigit() and len(number) <= len(str(2**64))
    return [int(number)] if plain and first <= int(number) <= last else []


def _check_signatures(
    report: Report, found: Bundle, record: Record, pinned: Verifier | None
) -> None:
    header = record.header
    generation = _generation(found.key)
    try:
        certified = verify_key_body({"statement": found.key}, header.lineage, generation, pinned)
    except SidespanError as error:
        code = Fault.KEY_UNCERTIFIED if _holds(found.key, header.lineage) else Fault.KEY_INVALID
        report.findings.append(Finding(code, "key", str(error)))
        return
    statement = certified.statement
    try:
        signed = found.proof.checkpoint.encode(errors="surrogatepass")
        checkpoint, _ = verify_checkpoint(signed, [statement])
        if not is_of_lineage(checkpoint, header.lineage):
            raise NotVerified("the checkpoint names another lineage than the record")
    except SidespanError as error:
        report.findings.append(Finding(Fault.CHECKPOINT_INVALID, "checkpoint", str(error)))
        return
    index, size = found.proof.index, checkpoint.size
    if index != header.record_index or not included(
        merkle.leaf_hash(found.proved), index, size, found.proof.path, checkpoint.root
    ):
        message = f"the record is not leaf {index} of the tree of {size} records"
        report.findings.append(Finding(Fault.NOT_INCLUDED, "proof", message))
        return
    report.facts["checkpoint"] = {
        "origin": checkpoint.origin,
        "size": str(size),
        "root": checkpoint.root.hex(),
        "key": str(statement.verifier),
        "certified_by": None if pinned is None else str(pinned),
    }
    report.established.append(
        f"header and edges of the record are leaf {index} of the {size} records that the"
        f" checkpoint of {checkpoint.origin} signs: position, stamp and tokens are as committed"
    )
    if pinned is None:
        report.not_established.append(
            "who signed: no node key was given, so the bundle vouches for itself (--key)"
        )
    else:
        report.established.append(
            f"the node's key {pinned.name}+{pinned.key_id.hex()} certified the key of generation"
            f" {statement.boot_generation}, which signed it"
        )


def _generation(key: str) -> int:
    # What the statement itself names; its signatures are checked afterwards.
    lines = key.split("\n")
    number = lines[2] if len(lines) > 2 else ""  # noqa: PLR2004 - the third line.
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 10 else 0  # noqa: PLR2004 - of 32 bits.


def _holds(key: str, lineage: bytes) -> bool:
    try:
        verify_key_body({"statement": key}, lineage, _generation(key), None)
    except SidespanError:
        return False
    return True


def _check_payload(report: Report, found: Bundle, record: Record) -> None:
    if found.payload is None or found.salt is None:
        report.not_established.append(
            "what the record's payload was: it is not in the bundle, only its commitment is"
        )
        return
    header = record.header
    if codec.commit_payload(found.payload, found.salt) != header.payload_commitment:
        message = "payload and salt are not those that the header binds"
        report.findings.append(Finding(Fault.PAYLOAD_COMMITMENT, "payload", message))
        return
    report.established.append(
        f"the payload of {len(found.payload)} bytes is the one that was committed"
    )
