"""For programs on OpenTelemetry: its spans to the node's recorder as they start, change and end.

    import sidespan.otel

    sidespan.otel.register(service="planner")

That is all: OpenTelemetry's API and its instrumentation libraries work as they are. A program that
makes its own ``TracerProvider`` adds ``SidespanSpanProcessor()`` to it.

Spans go the way of the client's own: ``sidespan.status()``, ``flush()``, ``init()`` and
SIDESPAN_DISABLED mean both, and marks, limits and host safety are the same.
"""

from collections.abc import Mapping
from weakref import WeakKeyDictionary

try:
    from opentelemetry import propagate, trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
except ImportError as error:
    raise ImportError(
        "sidespan.otel needs opentelemetry-sdk; run: pip install 'sidespan[otel]'"
    ) from error

import os

from sidespan._runtime import runtime
from sidespan.otel._processor import SidespanSpanProcessor, begin_recording
from sidespan.otel._propagator import SidespanPropagator

__all__ = ["SidespanPropagator", "SidespanSpanProcessor", "register"]

_processors: "WeakKeyDictionary[TracerProvider, SidespanSpanProcessor]" = WeakKeyDictionary()


def register(
    service: str | None = None,
    *,
    socket: str | os.PathLike[str] | None = None,
    resource: Mapping[str, str | bool | int | float] | None = None,
) -> TracerProvider | None:
    """Have OpenTelemetry record into the node's daemon, and its headers carry the node's token.

    A global provider that is there already gets a processor more, else one is made and set. The
    propagators that the program or OTEL_PROPAGATORS chose stay in use. A second call changes
    nothing. Raises no Exception, and prints nothing.

    Args:
        service: Name of this program; without one as OpenTelemetry finds it, in OTEL_SERVICE_NAME.
        socket: The recorder's address, as in ``sidespan.init``.
        resource: Further attributes of the process.

    Returns:
        The provider; None when SIDESPAN_DISABLED is set or it failed, as
        ``sidespan.status().last_error`` says.
    """
    try:
        return _registered(service, socket, dict(resource or {}))
    except Exception as error:
        runtime.note(error)
        return None


def _registered(
    service: str | None,
    socket: str | os.PathLike[str] | None,
    given: dict[str, str | bool | int | float],
) -> TracerProvider | None:
    name = service or os.environ.get("SIDESPAN_SERVICE")
    if name:
        given["service.name"] = name
    provider = trace.get_tracer_provider()
    own = not isinstance(provider, TracerProvider)
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider(resource=Resource.create(given))
    if not begin_recording(provider.resource.merge(Resource(given)), socket):
        return None
    if provider not in _processors:
        _processors[provider] = SidespanSpanProcessor()
        provider.add_span_processor(_processors[provider])
    if own:
        trace.set_tracer_provider(provider)
    chosen = propagate.get_global_textmap()
    if not isinstance(chosen, SidespanPropagator):
        propagate.set_global_textmap(SidespanPropagator(chosen))
    return provider
