"""A TCP proxy between the connector and Asterisk, to cut, to flap, and to say nothing any more."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

from lab.ports import HOST


class Proxy:
    """Forwards what comes to `port` to `target`, in a thread of its own, until `close`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listening = socket.create_server((HOST, 0))
        self.port: int = self._listening.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._silent = threading.Event()
        self._away = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="proxy", daemon=True)
        self._thread.start()

    def silence(self, on: bool) -> None:
        """Keep every connection open, and pass on no byte: what a firewall does that forgot it."""
        (self._silent.set if on else self._silent.clear)()

    def away(self, on: bool) -> None:
        """Refuse new connections."""
        (self._away.set if on else self._away.clear)()

    def cut(self) -> None:
        """Close every connection."""
        with self._lock:
            for side in list(self._pairs):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self.cut()
        self._thread.join(5)
        self._listening.close()

    def _work(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            while not self._closed.is_set():
                for key, _ in selector.select(0.05):
                    side = key.fileobj
                    assert isinstance(side, socket.socket)
                    if side is self._listening:
                        self._accept(selector)
                    elif self._silent.is_set():
                        self._closed.wait(0.02)  # what comes stays where it is
                    else:
                        self._forward(selector, side)
            for side in list(self._pairs):
                side.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        near, _ = self._listening.accept()
        try:
            if self._away.is_set():
                raise ConnectionRefusedError
            far = socket.create_connection((HOST, self.target), timeout=2)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            self._pairs |= {near: far, far: near}
        for side in (near, far):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(side, selectors.EVENT_READ)

    def _forward(self, selector: selectors.BaseSelector, side: socket.socket) -> None:
        other = self._pairs.get(side)
        if other is None:
            return
        try:
            data = side.recv(65_536)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for gone in (side, other):
            with self._lock:
                self._pairs.pop(gone, None)
            with contextlib.suppress(KeyError, ValueError):
                selector.unregister(gone)
            gone.close()
