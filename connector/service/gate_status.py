"""What the gate process says of itself, at a Unix socket: to the control process and to `connector doctor`.

The two processes share the store and nothing else. What is in the gate's memory only is asked for here. The gate waits
for nobody: an answer is one line of JSON, written at once, and the connection is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from connector import __version__
from connector.errors import GateUnavailable

log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 1.0
AGAIN_EVERY_S = 5.0
MOST_BYTES = 1_000_000
# How often the control process asks by itself.
ASK_EVERY_S = 1.0
# However many ask /health: the gate is asked no more often.
HEALTH_EVERY_S = 0.2


@dataclass(frozen=True)
class GateStatus:
    """`ready`: calls are decided. `calls`: how many are up. `tried`: by endpoint, what trunks answered last to calls
    that failed there (a SIP status), and when. `version`: of the program that runs.
    """

    node: str
    pid: int
    ready: bool
    calls: int
    tried: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    version: str = __version__


async def serve(path: Path, status: Callable[[], GateStatus]) -> None:
    """Answer until cancelled. A socket that cannot be made is said, and tried again: calls are decided all the same."""
    told = ""
    while True:
        try:
            server = await listen(path, status)
        except OSError as error:
            if str(error) != told:
                told = str(error)
                log.error("no pages know of this process: %s cannot be made: %s; set [gate] socket", path, told)
            await asyncio.sleep(AGAIN_EVERY_S)
        else:
            async with server:
                await server.serve_forever()


async def listen(path: Path, status: Callable[[], GateStatus]) -> asyncio.Server:
    """Answer each question; only this user may ask. OSError if the socket cannot be made."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One line, and no more."""
        with contextlib.suppress(OSError, TimeoutError):
            writer.write(json.dumps(asdict(status())).encode() + b"\n")
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(answer, sock=_bound(path))


async def ask(path: Path, node: str, limit_s: float = ANSWER_LIMIT_S) -> GateStatus:
    """What the gate of a node says now. GateUnavailable if it is not there, or does not answer in time."""
    try:
        async with asyncio.timeout(limit_s):
            with _short(path) as name:
                reader, writer = await asyncio.open_unix_connection(name, limit=MOST_BYTES)
            try:
                _check_owner(writer, path.parent)
                found = json.loads(await reader.readline())
            finally:
                writer.close()
        if found["node"] != node:
            raise GateUnavailable(
                "the gate of another node answers at {path}: give each node its own [gate] socket", path=path
            )
        tried = {str(name): (int(status), int(at)) for name, (status, at) in found["tried"].items()}
        version = str(found.get("version", ""))
        return GateStatus(node, int(found["pid"]), found["ready"] is True, int(found["calls"]), tried, version)
    except TimeoutError:
        raise GateUnavailable("the gate does not answer at {path}", path=path) from None
    except PermissionError:
        raise GateUnavailable("{path} may not be opened: ask as the connector's user", path=path) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
        raise GateUnavailable("no gate process answers at {path}", path=path) from None


class Gate:
    """The gate, as the control process knows it."""

    def __init__(self, path: Path, node: str) -> None:
        self._path = path
        self._node = node
        self._status: GateStatus | None = None
        self._asked_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    @property
    def answers(self) -> bool:
        """Whether it answered when it was asked last, at most a second ago."""
        return self._status is not None

    @property
    def is_ready(self) -> bool:
        """Whether it said then that calls are decided."""
        return self._status is not None and self._status.ready

    @property
    def tried(self) -> Mapping[str, tuple[int, int]]:
        """What trunks answered last to calls that failed there."""
        return self._status.tried if self._status else {}

    async def run(self) -> None:
        """Ask again and again, for ever."""
        while True:
            await self.ask()
            await asyncio.sleep(ASK_EVERY_S)

    async def ask(self) -> None:
        """Ask it now. Those who ask meanwhile share the answer."""
        now = asyncio.get_running_loop().time()
        if self._asking is None or (self._asking.done() and now - self._asked_at >= HEALTH_EVERY_S):
            self._asked_at = now
            self._asking = asyncio.create_task(self._ask())
        await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        try:
            self._status = await ask(self._path, self._node)
        except GateUnavailable:
            self._status = None


def _bound(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.is_socket():
        path.unlink()  # of a gate that was killed
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(path) as name:
        before = os.umask(0o177)
        try:
            found.bind(name)
        except OSError:
            found.close()
            raise
        finally:
            os.umask(before)
    return found


def _check_owner(writer: asyncio.StreamWriter, folder: Path) -> None:
    """PermissionError unless this user, or root, or whom the socket's folder belongs to, is at the other end: root asks
    a gate that runs as a user of its own.
    """
    link = writer.get_extra_info("socket")
    _, uid, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    if uid not in (0, os.getuid(), folder.stat().st_uid):
        raise PermissionError(f"user {uid} answers")


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of a socket that is short enough for the kernel, which takes 107 bytes, in however deep a folder it is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
