"""Signed notes: text with signature lines that anybody can check who holds the verifier keys.

    text, ends in a newline
    <empty line>
    — <key name> base64(key id 4 B ‖ Ed25519 signature 64 B)

    key id       = SHA-256(key name ‖ 0x0A ‖ 0x01 ‖ public key)[:4]
    verifier key = <key name>+<key id, 8 hex>+base64(0x01 ‖ public key 32 B)
    signer key   = PRIVATE+KEY+<key name>+<key id, 8 hex>+base64(0x01 ‖ seed 32 B)

Source: C2SP signed-note v1.0.0; the texts of keys are those of golang.org/x/mod/sumdb/note.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from sidespand.evidence.failures import Malformed, NotVerified
from sidespand.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX

if TYPE_CHECKING:
    # Loading it takes longer than to answer a question that no signature decides.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_ID_BYTES = 4
PUBLIC_KEY_BYTES = 32
_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_PRIVATE = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under its name.

    Args:
        name: Neither empty nor with a space or a plus sign.
        public_key: 32 bytes.
    """

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The 4 bytes by which a signature line names the key."""
        hashed = sha256(self.name.encode() + b"\n" + _ED25519 + self.public_key)
        return hashed.digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(_ED25519 + self.public_key)}"

    def holds(self, text: str, signature: bytes) -> bool:
        """Tell whether ``signature`` is this key's over ``text``."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key under its name.

    Args:
        name: As of a Verifier.
        key: It stays in memory; only ``text`` gives it away.
    """

    def __init__(self, name: str, key: "Ed25519PrivateKey") -> None:
        assert is_key_name(name)
        self._key = key
        self.verifier = Verifier(name, key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> "Signer":
        """Return a fresh key from the kernel's random source."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(name, Ed25519PrivateKey.generate())

    def text(self) -> str:
        """Return the signer key, to be kept where only its owner reads."""
        verifier = self.verifier
        seed = encode_base64(_ED25519 + self._key.private_bytes_raw())
        return f"{_PRIVATE}{verifier.name}+{verifier.key_id.hex()}+{seed}"

    def line(self, text: str) -> str:
        """Return this key's signature line for ``text``."""
        signature = self.verifier.key_id + self._key.sign(text.encode())
        return f"{_DASH}{self.verifier.name} {encode_base64(signature)}\n"


class Signature(NamedTuple):
    """One signature line, not checked.

    Args:
        name: Of the key.
        key_id: 4 bytes.
        signature: What follows the key id.
    """

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A note that was taken apart, not checked.

    Args:
        text: What is signed, with its last newline.
        signatures: In the order of their lines; at least one.
    """

    text: str
    signatures: tuple[Signature, ...]


def sign(text: str, signers: Sequence[Signer]) -> str:
    """Return the note of ``text``, which ends in a newline, with one line a signer."""
    assert signers
    assert text.endswith("\n")
    return text + "\n" + "".join(signer.line(text) for signer in signers)


def parse(note: bytes) -> Note:
    """Return the parts of a note.

    Raises:
        Malformed: It is not a note, or over a bound.
    """
    if len(note) > NOTE_BYTES_MAX:
        raise Malformed(f"the note has {len(note)} bytes, at most {NOTE_BYTES_MAX} are read")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise Malformed("the note is not UTF-8") from None
    if any(character < " " and character != "\n" for character in whole):
        raise Malformed("the note holds a control character")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Malformed("the note has no signature lines at its end")
    found = lines[:-1].split("\n")
    if len(found) > NOTE_SIGNATURES_MAX:
        raise Malformed(f"the note has over {NOTE_SIGNATURES_MAX} signatures")
    return Note(text + "\n", tuple(_signature(line) for line in found))


def verify(note: Note, verifiers: Sequence[Verifier]) -> tuple[Verifier, ...]:
    """Return which of ``verifiers`` signed a note; signatures of other keys are passed over.

    Raises:
        NotVerified: None of them did, or a line that names one of them does not hold.
    """
    known = {(one.name, one.key_id): one for one in verifiers}
    signed: dict[Verifier, None] = {}
    for line in note.signatures:
        verifier = known.get((line.name, line.key_id))
        if verifier is None:
            continue
        if not verifier.holds(note.text, line.signature):
            raise NotVerified(
                f"the signature of {verifier.name}+{verifier.key_id.hex()} does not hold",
                hint="the text was changed after it was signed, or the signature was",
            )
        signed[verifier] = None
    if not signed:
        raise NotVerified(
            f"none of the {len(verifiers)} given keys signed the note",
            hint="the key that signed it names itself at the end of the note",
        )
    return tuple(signed)


def parse_verifier(text: str) -> Verifier:
    """Return the key that a verifier key text holds.

    Raises:
        Malformed: It is not one, or its key id is not that of its key.
    """
    name, key_id, key = _key_parts(text)
    verifier = Verifier(name, key)
    if verifier.key_id != key_id:
        raise Malformed(f"the id in the verifier key of {name} is not that of its key")
    return verifier


def parse_signer(text: str) -> Signer:
    """Return the key that a signer key text holds; no message repeats any of it.

    Raises:
        Malformed: It is not one, or its key id is not that of its key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not text.startswith(_PRIVATE):
        raise Malformed("the signer key does not begin with PRIVATE+KEY+")
    name, key_id, seed = _key_parts(text.removeprefix(_PRIVATE))
    signer = Signer(name, Ed25519PrivateKey.from_private_bytes(seed))
    if signer.verifier.key_id != key_id:
        raise Malformed("the id in the signer key is not that of its key")
    return signer


def is_key_name(name: str) -> bool:
    """Tell whether a key may be called so."""
    printable = all(not character.isspace() and character >= " " for character in name)
    return bool(name) and printable and "+" not in name


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard base64 in its one canonical form.

    Raises:
        Malformed: It is anything else.
    """
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64") from None
    if encode_base64(data) != text:
        # Two texts of one signature would let a proof be altered without notice.
        raise Malformed("not canonical base64")
    return data


def _signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        raise Malformed("a signature line does not begin with an em dash")
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not space or not is_key_name(name):
        raise Malformed("a signature line has no key name")
    data = decode_base64(encoded)
    if len(data) <= KEY_ID_BYTES:
        raise Malformed("a signature is shorter than its key id")
    return Signature(name, data[:KEY_ID_BYTES], data[KEY_ID_BYTES:])


def _key_parts(text: str) -> tuple[str, bytes, bytes]:
    # The base64 part may hold plus signs of its own.
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_key_name(parts[0]):  # noqa: PLR2004 - name, id and key.
        raise Malformed("a key's text has the form name+id+base64")
    name, key_id, encoded = parts
    data = decode_base64(encoded)
    if data[:1] != _ED25519 or len(data) != 1 + PUBLIC_KEY_BYTES:
        raise Malformed("a key's text holds no Ed25519 key")
    if len(key_id) != 2 * KEY_ID_BYTES or set(key_id) - set("0123456789abcdef"):
        raise Malformed("a key's id is not 8 lower hex digits")
    return name, bytes.fromhex(key_id), data[1:]
