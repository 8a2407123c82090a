"""Exports over OTLP/HTTP, as protobuf."""

import asyncio
import gzip
from typing import Final

import httpx2

from sidespand import __version__
from sidespand.limits import SINK_RESPONSE_BYTES_MAX
from sidespand.model import Delivery, Kind, Retry
from sidespand.sinks import otlp_reply
from sidespand.sinks.otlp_options import HTTP, Endpoint, Tls, ssl_context

_PATHS: Final = {
    Kind.SPANS: "/v1/traces",
    Kind.LOGS: "/v1/logs",
    Kind.METRICS: "/v1/metrics",
}
# More would make the event loop late.
_GZIP_HERE_BYTES_MAX = 16 << 10
_GZIP_LEVEL = 1


class HttpExporter:
    """A connection to one collector, made anew when it broke.

    No redirection is followed and no proxy or credential taken from the environment: records go
    where the configuration says.

    Args:
        endpoint: The collector.
        tls: Used when the endpoint says so.
        timeout_s: Of one export, connecting and the whole response included.
        compression: ``none`` or ``gzip``, of requests.

    Raises:
        ConfigError: A file of ``tls`` cannot be used.
    """

    def __init__(self, endpoint: Endpoint, tls: Tls, timeout_s: float, compression: str) -> None:
        scheme = "https" if endpoint.tls else "http"
        authority = "localhost" if endpoint.socket else endpoint.authority(HTTP)
        self._base = f"{scheme}://{authority}{endpoint.path}"
        transport = httpx2.AsyncHTTPTransport(
            verify=ssl_context(tls) if endpoint.tls else False,
            trust_env=False,
            limits=httpx2.Limits(max_connections=1),
            uds=endpoint.socket or None,
        )
        self._client = httpx2.AsyncClient(
            transport=transport, trust_env=False, follow_redirects=False, timeout=None
        )
        self._timeout_s = timeout_s
        self._gzip = compression == "gzip"

    async def export(
        self, kind: Kind, body: bytes, item_count: int, headers: dict[str, str]
    ) -> Delivery:
        """Send one request; Delivered once the collector has answered 2xx."""
        sent = {
            **headers,
            "content-type": "application/x-protobuf",
            # A response is advice of a few bytes; one that inflates is not wanted.
            "accept-encoding": "identity",
            "user-agent": f"sidespan/{__version__}",
        }
        if self._gzip:
            sent["content-encoding"] = "gzip"
            if len(body) > _GZIP_HERE_BYTES_MAX:
                body = await asyncio.to_thread(gzip.compress, body, _GZIP_LEVEL)
            else:
                body = gzip.compress(body, _GZIP_LEVEL)
        try:
            async with asyncio.timeout(self._timeout_s):
                status, received, answer = await self._post(_PATHS[kind], body, sent)
        except TimeoutError:
            return Retry(f"no whole response within {self._timeout_s:g} s")
        except httpx2.HTTPError as error:
            return Retry(f"{type(error).__name__}: {error}")
        return otlp_reply.of_http(status, received, answer, item_count, kind)

    async def close(self) -> None:
        """Break off what is on its way and close the connection."""
        await self._client.aclose()

    async def _post(
        self, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        url = self._base + path
        async with self._client.stream("POST", url, content=body, headers=headers) as response:
            self._client.cookies.clear()
            answer = bytearray()
            async for chunk in response.aiter_raw():
                answer += chunk[: SINK_RESPONSE_BYTES_MAX - len(answer)]
                if len(answer) >= SINK_RESPONSE_BYTES_MAX:
                    # The status counts. The connection is closed, however much is to come.
                    break
            return response.status_code, dict(response.headers), bytes(answer)
