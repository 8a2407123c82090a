"""Gives equal values equal numbers, so that values of any size are compared at once."""

from array import array

from sidespand.limits import DIFF_DEPTH_MAX, DIFF_NODES_MAX

# What JSON holds: text, numbers, truth values, None, lists, and mappings from text.
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


class Unfit(Exception):
    """A value is too large, or nests too deep, to be looked into."""


class Numbers:
    """The numbers of values and of all that is in them.

    A list or mapping is known by its identity: it must not change meanwhile.
    """

    def __init__(self) -> None:
        # Text and bytes have a hash that nobody can foresee, other than numbers and tuples.
        self._of_value: dict[str | bytes, int] = {}
        self._of_node: dict[int, int] = {}

    def learn(self, value: Json) -> None:
        """Number a value and all that is in it.

        Raises:
            Unfit: It has more than DIFF_NODES_MAX parts, or nests deeper than DIFF_DEPTH_MAX.
        """
        self._number(value, 0)

    def of(self, value: Json) -> int:
        """Return the number of a value that was learnt."""
        if isinstance(value, list | dict):
            return self._of_node[id(value)]
        return self._scalar(value)

    def _number(self, value: Json, depth: int) -> int:
        if depth > DIFF_DEPTH_MAX or len(self._of_value) > 2 * DIFF_NODES_MAX:
            raise Unfit
        if not isinstance(value, list | dict):
            return self._scalar(value)
        if len(self._of_node) >= 2 * DIFF_NODES_MAX or len(value) > DIFF_NODES_MAX:
            raise Unfit
        if isinstance(value, dict):
            members = sorted(value.items())
            parts = [
                number
                for key, member in members
                for number in (self._scalar(key), self._number(member, depth + 1))
            ]
        else:
            parts = [self._number(member, depth + 1) for member in value]
        tag = b"{" if isinstance(value, dict) else b"["
        number = self._known(tag + array("q", parts).tobytes())
        self._of_node[id(value)] = number
        return number

    def _scalar(self, value: Json) -> int:
        return self._known(f"{type(value).__name__} {value}")

    def _known(self, key: str | bytes) -> int:
        return self._of_value.setdefault(key, len(self._of_value))
