"""Kamailio before the nodes, with the very config of docker/kamailio: Debian's program, in a folder, on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import debian, process
from lab.errors import LabError
from lab.instance import PROJECT
from lab.ports import HOST
from lab.root import new_enough

OLDEST = (5, 6)  # Debian 12
START_LIMIT_S = 10
_CONFIG = PROJECT / "docker" / "kamailio" / "kamailio.cfg"
_REST = (
    "Via: SIP/2.0/UDP {host}:{mine};branch=z9hG4bK-{mine};rport\r\nFrom: <sip:lab@{host}>;tag=1\r\n"
    "Call-ID: {mine}\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n"
)
_OPTIONS = "OPTIONS sip:{host}:{port} SIP/2.0\r\n" + _REST + "To: <sip:{host}>\r\nCSeq: 1 OPTIONS\r\n\r\n"
_STRANGER = (
    "BYE sip:victim@127.0.0.9 SIP/2.0\r\nRoute: <sip:{host}:{port};lr>\r\n"
    + _REST
    + "To: <sip:victim@127.0.0.9>;tag=made-up\r\nCSeq: 1 BYE\r\n\r\n"
)


@contextmanager
def running(home: Path, folder: Path, port: int, nodes: Sequence[int]) -> Iterator[None]:
    """Run it on a UDP port before nodes on others, until the block ends. `home`: where it is unpacked if need be."""
    program, modules = _program(home)
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "dispatcher.list"
    listed.write_text("".join(f"1 sip:{HOST}:{node}\n" for node in nodes))
    log = folder / "kamailio.log"
    command = [
        str(program), "-f", str(_CONFIG), "-l", f"udp:{HOST}:{port}", "-L", str(modules), "-DD", "-E",
        "-A", f'DISPATCHER_LIST="{listed}"', "-m", "32", "-M", "4", "-Y", str(folder),
    ]  # fmt: skip
    server = process.start(command, log, env={"LD_LIBRARY_PATH": str(modules.parent)})  # its own, where it is unpacked
    try:
        if not process.waited(lambda: server.poll() is not None or _answers(port), START_LIMIT_S, 0.1):
            raise LabError(f"Kamailio does not answer within {START_LIMIT_S} s: see {log}")
        if server.poll() is not None:
            raise LabError(f"Kamailio ended at its start: {log.read_text(errors='replace').splitlines()[-1:]}")
        yield
    finally:
        process.end(process.identify(server.pid))
        server.wait()


def _program(home: Path) -> tuple[Path, Path]:
    """The program and the folder of its modules: the system's, or one that is unpacked into `home`."""
    found = new_enough("kamailio", "-v", OLDEST)
    root = Path("/") if found else debian.unpacked(home, ["kamailio"])
    modules = next(root.glob("usr/lib/*/kamailio/modules"), None)
    if modules is None:
        raise LabError(f"{root} has no Kamailio in it")
    return found or root / "usr/sbin/kamailio", modules


def relays_for_strangers(port: int) -> bool:
    """Whether it passes on what claims to be in a dialog, from nobody it knows to nobody it knows."""
    return b" 403 " not in _asked(port, _STRANGER)


def _answers(port: int) -> bool:
    return b" 200 " in _asked(port, _OPTIONS)


def _asked(port: int, request: str) -> bytes:
    """What it answers; nothing, if that is what it says."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.5)
        probe.bind((HOST, 0))
        mine = probe.getsockname()[1]
        try:
            probe.sendto(request.format(host=HOST, port=port, mine=mine).encode(), (HOST, port))
            return probe.recv(2048)
        except OSError:
            return b""
