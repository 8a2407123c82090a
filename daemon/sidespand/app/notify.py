"""Tells systemd how the service is. Source: sd_notify(3); without NOTIFY_SOCKET nothing happens."""

import os
import socket


def notify(state: str) -> None:
    """Send ``state``, such as ``READY=1``; a manager that does not listen is no fault of ours."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect(address)
            sender.sendall(state.encode())
        except OSError:
            return
