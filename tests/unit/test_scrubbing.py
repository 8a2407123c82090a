"""Secrets by their value: where they are found, and files that cannot be used."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from sidespand.errors import ConfigError
from sidespand.limits import SECRET_CHARACTERS_MIN, SECRETS_MAX
from sidespand.scrubbing import Secrets, load, may_hold_bearer, scrub_bearer, scrub_message

SECRET = 'p@ss "word"/1'


def secret_file(directory: Path, body: bytes, mode: int = 0o600) -> Path:
    """Write a file of secrets."""
    path = directory / "secrets"
    path.write_bytes(body)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        SECRET, f"a{SECRET}b", '{"x": "p@ss \\"word\\"/1"}', "?x=p%40ss%20%22word%22%2F1&y",
        "?x=p%40ss+%22word%22%2F1", "/p%40ss%20%22word%22/1/",
    ],
)  # fmt: skip
def test_a_secret_is_found_as_it_is_and_as_json_and_urls_write_it(text: str) -> None:
    """Nothing of it is left, and what is around it is."""
    secrets = Secrets([SECRET])
    assert secrets.are_in(text.encode())
    clean = secrets.scrub(text)
    assert "<redacted>" in clean
    assert "word" not in clean
    assert secrets.scrub_bytes(text.encode()) == clean.encode()


def test_the_longer_of_two_secrets_goes_first() -> None:
    """No end of it is left over."""
    assert Secrets(["12345678", "1234567890"]).scrub("x 1234567890 y") == "x <redacted> y"


@given(st.text(), st.text(min_size=SECRET_CHARACTERS_MIN), st.text())
def test_no_secret_is_in_what_was_scrubbed(before: str, secret: str, after: str) -> None:
    """Unless the word that stands in its place is the secret."""
    secrets = Secrets([secret])
    if "<redacted>" in secret or secret in "<redacted>":
        return
    clean = secrets.scrub(before + secret + after)
    assert secret not in clean.replace("<redacted>", "\0")


def test_without_secrets_nothing_is_looked_for() -> None:
    """And nothing changes."""
    assert not Secrets()
    assert not Secrets().are_in(b"anything")
    assert Secrets().scrub("anything") == "anything"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Bearer abc", "<redacted>"),
        ("authorization: bearer\tA-b._~+/9==, x", "authorization: <redacted>, x"),
        ('{"h":"BEARER abc","i":1}', '{"h":"<redacted>","i":1}'),
        ("?auth=Bearer%20abc", "?auth=<redacted>"),
        ("Bearer: abc", "<redacted>"),
        ("a forbearer", "a forbearer"),
        ("Bearer", "Bearer"),
    ],
)
def test_a_bearer_token_goes_with_its_word(text: str, clean: str) -> None:
    """In any case, behind any space."""
    assert scrub_bearer(text) == clean
    assert may_hold_bearer(text.encode()) or clean == text


def test_every_text_of_a_message_is_scrubbed() -> None:
    """Repeated ones, keys and bytes, too; the count says how many."""
    message = Resource()
    message.attributes.add(key=SECRET).value.bytes_value = SECRET.encode()
    message.attributes.add(key="k").value.array_value.values.add().string_value = SECRET
    message.entity_refs.add(type="t").id_keys.extend(["a", SECRET])

    assert scrub_message(message, Secrets([SECRET]), bearer=False) == 4
    assert b"word" not in message.SerializeToString()
    assert list(message.entity_refs[0].id_keys) == ["a", "<redacted>"]
    assert scrub_message(message, Secrets([SECRET]), bearer=True) == 0


class TestFiles:
    """What ``secrets.files`` names."""

    def test_a_secret_a_line(self, tmp_path: Path) -> None:
        """Empty lines and spaces around are nothing."""
        secrets = load(
            [secret_file(tmp_path, "\n  first-secret \r\n\nzweites-geheimnis-ä\n".encode())]
        )
        assert secrets.scrub("first-secret, zweites-geheimnis-ä") == "<redacted>, <redacted>"

    def test_the_shortest(self, tmp_path: Path) -> None:
        """One character less stops the start, without being repeated."""
        shortest = "x" * SECRET_CHARACTERS_MIN
        assert load([secret_file(tmp_path, shortest.encode())]).are_in(shortest.encode())
        with pytest.raises(ConfigError, match=r"secrets\.files: .*under 8") as refused:
            load([secret_file(tmp_path, shortest[1:].encode())])
        assert shortest[1:] not in str(refused.value)

    def test_how_many(self, tmp_path: Path) -> None:
        """Each costs a look at all that leaves."""
        lines = [f"secret-{number:04}\n" for number in range(SECRETS_MAX + 1)]
        load([secret_file(tmp_path, "".join(lines[:-1]).encode())])
        with pytest.raises(ConfigError, match=rf"{SECRETS_MAX + 1} secrets, the limit"):
            load([secret_file(tmp_path, "".join(lines).encode())])

    def test_a_file_that_cannot_be_used_stops_the_start(self, tmp_path: Path) -> None:
        """Missing, open to others, or no text."""
        with pytest.raises(ConfigError, match=r"secrets\.files: .*does not exist"):
            load([tmp_path / "none"])
        with pytest.raises(ConfigError, match=r"secrets\.files: .*mode 0644; it is a secret"):
            load([secret_file(tmp_path, b"first-secret", 0o644)])
        with pytest.raises(ConfigError, match=r"secrets\.files: .*is no UTF-8"):
            load([secret_file(tmp_path, b"\xff" * 10)])
