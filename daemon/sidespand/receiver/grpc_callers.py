"""Who makes a gRPC call: the one place that tells, for every service of the door."""

from typing import Any
from urllib.parse import unquote

from sidespand.limits import CONNECTIONS_MAX
from sidespand.model import Peer
from sidespand.receiver.access import Access, Caller

_DOOR = "grpc"
# What a certificate that TLS has verified is called by; grpc-core's names.
_CERTIFICATE_NAMES = ("x509_common_name", "x509_subject_alternative_name")

# Whom a refusal is counted for when the call did not show who makes it.
STRANGER = Peer(_DOOR)


class GrpcCallers:
    """Turns the context of a call into its peer.

    Args:
        access: Who may write.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known: dict[str, Caller] = {}

    # The context is a grpc.aio.ServicerContext, for which grpcio has no types.
    def peer(self, context: Any) -> Peer:
        """Return who makes the call, with their tenant.

        Raises:
            Unauthenticated: Its token is missing or wrong.
            PermissionRefused: It may not write, and no token would help.
        """
        return self._access.peer(self.caller(context), self.authorization(context))

    def authorization(self, context: Any) -> str | None:
        """Return the call's metadata of that name; None without, or where no token matters."""
        if self._access.reads_tokens:
            for name, value in context.invocation_metadata() or ():
                if name == "authorization":
                    return str(value)
        return None

    def caller(self, context: Any) -> Caller:
        """Return who the call's connection is, before its token is looked at."""
        text = context.peer()
        if self._access.reads_certificates:
            # The next connection from the same port may have another certificate.
            return self._judge(text, context)
        caller = self._known.get(text)
        if caller is None:
            if len(self._known) >= CONNECTIONS_MAX:
                self._known.clear()
            caller = self._known[text] = self._judge(text, None)
        return caller

    def _judge(self, text: str, context: Any) -> Caller:
        # "ipv4:127.0.0.1:40000", "ipv6:%5B::1%5D:40000" or "unix:".
        family, _, rest = text.partition(":")
        if family == "unix":
            return self._access.unseen(_DOOR)
        shown = context.auth_context() if context is not None else {}
        names = [name.decode("utf-8", "replace") for key in _CERTIFICATE_NAMES
                 for name in shown.get(key, ())]  # fmt: skip
        return self._access.remote(_DOOR, unquote(rest.rpartition(":")[0]).strip("[]"), names)
