from typing import Any

import pytest

from sidespand.config.attributes import attribute_keys


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"colour": ["a"]}, "colour"),
        ({"user": []}, "expected 1 to"),
        ({"user": [""]}, "1 to 256"),
        ({"user": 3}, "expected 1 to"),
        ({"user": ["a"] * 100}, "expected 1 to"),
        ("user", "user=acme.user"),
        (3, "expected a table"),
    ],
)
def test_what_is_no_map_of_keys_is_refused(value: Any, word: str) -> None:
    """The message says which field, and what was expected."""
    with pytest.raises(ValueError, match=word):
        attribute_keys(value)
