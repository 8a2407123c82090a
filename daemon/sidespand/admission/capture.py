"""What of a request may be kept on this node at all: ``receivers.capture``.

full       everything, as it came
metadata   spans and logs without what people and models said
off        nothing; callers are told that all is well
"""

from collections.abc import Callable
from typing import Any, Final

from sidespand.content_keys import is_content_key
from sidespand.model import Admitted, Content, Kind
from sidespand.otlp_places import Surface, parse, walk
from sidespand.ports import Admission

# OTLP counts dropped attributes in 32 bits.
_COUNT_MAX: Final = 2**32 - 1


class MetadataAdmission:
    """Admits what another admission does, without content. Implements ``ports.Admission``.

    Attributes whose keys ``content_keys`` names, the bodies of logs, and the messages of statuses
    are left out. Where OTLP has a count of dropped attributes, what is left out there is added.

    Args:
        admission: Decides first.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def admit(self, kind: Kind, body: bytes, digest: bytes = b"") -> Admitted:
        """Return the storable part of one request; ``ports.Admission`` has the contract."""
        admitted = self._admission.admit(kind, body, digest)
        stripped = [_stripped(content) for content in admitted.contents]
        return admitted._replace(
            contents=tuple(content for content, _ in stripped),
            removed_values=sum(removed for _, removed in stripped),
        )

    def carries_error(self, kind: Kind, body: bytes) -> bool:
        """Tell whether an item of the request is an error."""
        return self._admission.carries_error(kind, body)

    def withdraw(self, admitted: Admitted) -> None:
        """Forget what was noted of a request."""
        self._admission.withdraw(admitted)


class NothingAdmission:
    """Takes every request and keeps nothing of it. Implements ``ports.Admission``."""

    def admit(self, _kind: Kind, _body: bytes, _digest: bytes = b"") -> Admitted:
        """Return nothing to be stored, whatever came."""
        return Admitted(())

    def carries_error(self, _kind: Kind, _body: bytes) -> bool:
        """Let every request pass: it takes no room."""
        return True

    def withdraw(self, _admitted: Admitted) -> None:
        """Nothing was noted."""


def _stripped(content: Content) -> tuple[Content, int]:
    request = parse(content.kind, content.payload)
    stripping = _Stripping()
    walk(content.kind, request, stripping)
    if not stripping.removed:
        return content, 0
    stripped = content._replace(payload=request.SerializeToString(), digest=b"")
    return stripped, stripping.removed


class _Stripping:
    """Leaves out what is content. Implements ``otlp_places.Visitor``."""

    def __init__(self) -> None:
        self.removed = 0

    def attributes(
        self, attributes: Any, holder: Any, _surface: Surface, *, carries_content: bool
    ) -> None:
        """Leave out those whose keys name content; add them where OTLP counts such."""
        removed = _prune(attributes, _is_content_in_event if carries_content else is_content_key)
        if removed and holder is not None:
            total = holder.dropped_attributes_count + removed
            holder.dropped_attributes_count = min(total, _COUNT_MAX)
        self.removed += removed

    def text(self, holder: Any, field: str, *, is_content: bool) -> None:
        """Empty what is content."""
        if is_content and getattr(holder, field):
            holder.ClearField(field)
            self.removed += 1

    def body(self, log: Any) -> None:
        """Leave it out."""
        log.ClearField("body")
        self.removed += 1


def _is_content_in_event(key: str) -> bool:
    return not key.startswith("gen_ai.") or is_content_key(key)


def _prune(attributes: Any, is_content: Callable[[str], bool] = is_content_key) -> int:
    """Take content out of a list of attributes, and out of the maps in it; return how much."""
    kept = [one for one in attributes if not is_content(one.key)]
    removed = len(attributes) - len(kept)
    if removed:
        # One by one would take quadratic time.
        del attributes[:]
        attributes.extend(kept)
    return removed + sum(_prune_value(one.value) for one in attributes)


def _prune_value(value: Any) -> int:
    held = value.WhichOneof("value")
    if held == "kvlist_value":
        return _prune(value.kvlist_value.values)
    if held == "array_value":
        return sum(map(_prune_value, value.array_value.values))
    return 0
