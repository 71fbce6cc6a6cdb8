"""A hostile client of the web server, by plain sockets: what it sends, and what it gets back."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEAD = "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"
# 194 kB that inflate to 200 MB.
BOMB = gzip.compress(b" " * 200_000_000)


def head(method: str, path: str, *more: str, host: str = "127.0.0.1") -> bytes:
    """The head of a request, with some header lines more."""
    return HEAD.format(method=method, path=path, host=host, more="".join(f"{line}\r\n" for line in more)).encode()


def bomb(method: str = "POST", path: str = "/sign-in", *, chunked: bool = False) -> bytes:
    """A request with a compressed body."""
    if not chunked:
        return head(method, path, "Content-Encoding: gzip", f"Content-Length: {len(BOMB)}") + BOMB
    parts = [BOMB[at : at + 16_000] for at in range(0, len(BOMB), 16_000)]
    body = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"
    return head(method, path, "Content-Encoding: gzip", "Transfer-Encoding: chunked") + body


def many_parts(count: int = 3_900, path: str = "/sign-in") -> bytes:
    """A form of tiny parts."""
    parts = b"".join(b'--b\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nx\r\n' % n for n in range(count))
    body = parts + b"--b--\r\n"
    return head("POST", path, "Content-Type: multipart/form-data; boundary=b", f"Content-Length: {len(body)}") + body


def send(port: int, request: bytes, limit_s: float = 10) -> bytes:
    """What the server answers before it closes, or within the limit; b"" if it closes at once."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), limit_s) as made:
        with contextlib.suppress(ConnectionError):  # refused before all of it was sent
            made.sendall(request)
        found = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while some := made.recv(65_536):
                found += some
                if b"\r\n\r\n" in found and b"Connection: close" not in found:
                    break
        return found
    return b""


def status(answer: bytes) -> int:
    """The status of an answer; 0 for none."""
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@contextmanager
def _at_once(work: Callable[[int], None], threads: int, over: threading.Event) -> Iterator[None]:
    """Some threads at work, each with its number, until they are told by `over`."""
    workers = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        over.set()
        for worker in workers:
            worker.join(10)


@contextmanager
def repeated(port: int, requests: list[bytes], threads: int = 4) -> Iterator[list[int]]:
    """All of the requests again and again, by some threads at once; the statuses that came back."""
    over = threading.Event()
    found: list[int] = []

    def attack(first: int) -> None:
        """One thread's part."""
        turn = first
        while not over.wait(0.02):
            found.append(status(send(port, requests[turn % len(requests)], 2)))
            turn += 1

    with _at_once(attack, threads, over):
        yield found


@contextmanager
def idle(port: int, count: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that say this much and nothing more."""
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            with contextlib.suppress(OSError):
                made.append(socket.create_connection(("127.0.0.1", port), 2))
                made[-1].sendall(said)
        yield made
    finally:
        for each in made:
            each.close()


@contextmanager
def asked(port: int, a_second: int, path: str = "/health", connections: int = 8) -> Iterator[list[int]]:
    """So many plain requests a second, on connections that stay open while the server lets them; the statuses."""
    over = threading.Event()
    found: list[int] = []
    request = head("GET", path)

    def ask() -> None:
        """One connection's part, as fast as its share."""
        pause_s = connections / a_second
        due = time.monotonic()
        made: socket.socket | None = None
        while not over.is_set():
            try:
                if made is None:
                    made = socket.create_connection(("127.0.0.1", port), 2)
                made.sendall(request)
                answer = made.recv(65_536)
            except OSError:
                answer = b""
            found.append(status(answer))
            if made is not None and (not answer or b"Connection: close" in answer):
                made.close()
                made = None
            due += pause_s
            over.wait(max(0.0, due - time.monotonic()))
        if made is not None:
            made.close()

    with _at_once(lambda _: ask(), connections, over):
        yield found
