"""Tools and rights that a test needs: absent, a visible skip on a laptop, a failure in CI."""

import os

import pytest


def require(present: object, what: str, hint: str) -> None:
    """Go on when ``present`` is true.

    Raises:
        pytest.fail.Exception: It is not, and CI is set.
        pytest.skip.Exception: It is not.
    """
    if present:
        return
    message = f"{what} is missing: {hint}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
