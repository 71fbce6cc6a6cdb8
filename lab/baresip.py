"""baresip, a phone of other people's: Debian's program, in a folder, driven by its own control port (ctrl_tcp)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import debian, process
from lab.errors import LabError
from lab.ports import HOST
from lab.root import new_enough

OLDEST = (1, 0, 0)
PACKAGES = ("baresip-core", "libre0", "librem0")
START_LIMIT_S = 10.0
_CONFIG = """\
sip_listen {host}:0
net_interface {host}
rtp_ports 42000-42998
module_path {modules}
module g711.so
module aubridge.so
module srtp.so
module uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control}
audio_player aubridge,echo
audio_source aubridge,echo
"""


@dataclass
class Baresip:
    """One phone that runs. It sends back what it hears in its calls."""

    control: socket.socket
    events: list[dict[str, Any]] = field(default_factory=list)
    _answers: list[dict[str, Any]] = field(default_factory=list)
    _stream: bytes = b""

    def command(self, name: str, words: str = "") -> str:
        """Give a command of its menu; what it prints. LabError if it does not know it."""
        data = json.dumps({"command": name, "params": words}).encode()
        self.control.sendall(b"%d:%s," % (len(data), data))
        self._until(lambda: bool(self._answers), f"an answer to {name}")
        answer = self._answers.pop(0)
        if not answer["ok"]:
            raise LabError(f"baresip does not do {name!r}: {answer['data']}")
        return str(answer["data"])

    def heard(self, kind: str, limit_s: float = 5.0) -> dict[str, Any]:
        """The next event of a kind that was not asked for yet. TimeoutError if it does not come."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            at = next((n for n, event in enumerate(self.events) if event["type"] == kind), None)
            if at is not None:
                found.append(self.events[at])
                del self.events[: at + 1]
            return bool(found)

        self._until(there, kind, limit_s)
        return found[0]

    def _until(self, condition: Callable[[], bool], what: str, limit_s: float = 5.0) -> None:
        until = time.monotonic() + limit_s * process.PATIENCE
        while not condition():
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{what} did not come from baresip; heard: {[each['type'] for each in self.events]}")
            self.control.settimeout(left)
            try:
                data = self.control.recv(65_535)
            except TimeoutError:
                continue
            if not data:
                raise LabError("baresip has ended")
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Netstrings of JSON: answers to commands, and events."""
        self._stream += data
        while b":" in self._stream:
            length, _, rest = self._stream.partition(b":")
            if len(rest) <= int(length):
                return
            said = json.loads(rest[: int(length)])
            self._stream = rest[int(length) + 1 :]
            (self._answers if said.get("response") else self.events).append(said)


@contextmanager
def running(home: Path, folder: Path, account: str) -> Iterator[Baresip]:
    """A phone with this account, a line of baresip's file of accounts; ended afterwards. `home`: where the program is
    unpacked, if the system has none.
    """
    program, modules, libraries = _program(home)
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(_CONFIG.format(host=HOST, modules=modules, control=port))
    (folder / "contacts").touch()
    accounts = folder / "accounts"
    accounts.touch(mode=0o600)
    accounts.write_text(account + "\n")
    log = folder / "baresip.log"
    started = process.start([str(program), "-f", str(folder)], log, env={"LD_LIBRARY_PATH": str(libraries)})
    try:
        control = _connected(port, log)
        try:
            yield Baresip(control)
        finally:
            control.close()
    finally:
        process.end(process.identify(started.pid))
        started.wait()


def _connected(port: int, log: Path) -> socket.socket:
    found: list[socket.socket] = []

    def connects() -> bool:
        try:
            found.append(socket.create_connection((HOST, port), 1))
        except OSError:
            return False
        return True

    if not process.waited(connects, START_LIMIT_S, 0.1):
        raise LabError(f"baresip did not start within {START_LIMIT_S} s: see {log}")
    return found[0]


def _program(home: Path) -> tuple[Path, Path, Path]:
    """The program, the folder of its modules and that of its libraries: the system's, or unpacked into `home`."""
    found = new_enough("baresip", "-h", OLDEST)
    root = Path("/") if found else debian.unpacked(home, PACKAGES)
    modules = next(root.glob("usr/lib/**/baresip/modules/ctrl_tcp.so"), None)
    library = next(root.glob("usr/lib/*/libre.so.*"), None)
    if modules is None or library is None:
        raise LabError(f"{root} has no baresip in it")
    return found or root / "usr/bin/baresip", modules.parent, library.parent
