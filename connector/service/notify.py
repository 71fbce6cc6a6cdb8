"""Tells systemd how this process is: started, alive, stopping. Without systemd it does nothing.

The protocol is sd_notify(3): a datagram of lines to the socket that NOTIFY_SOCKET names.
"""

from __future__ import annotations

import contextlib
import os
import socket

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


def tell(what: str) -> None:
    """Say one of the three. If nobody listens, nothing is said: the process goes on."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.setblocking(False)
        link.sendto(what.encode(), "\0" + name[1:] if name.startswith("@") else name)
