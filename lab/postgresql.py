"""A PostgreSQL of a test's own: Debian's programs, in a folder, on a Unix socket, gone afterwards.

Where the machine has none, Debian's packages are fetched and unpacked into `.asterisk/postgresql`; nothing is
installed. It refuses to run as root, so root hands it to nobody.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import debian, memory, process
from lab.errors import LabError
from lab.ports import HOST
from lab.root import new_enough

_PACKAGES = """
postgresql-15 libpq5 libxml2 libicu72 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1
libldap-2.5-0 libsasl2-2
""".split()
OLDEST = (15,)
_NOBODY = 65534
USUAL_PORT = 5432
START_LIMIT_S = 20
# A socket's path has 107 characters at most: not in a test's own deep folder. And others must be able to enter.
_SHORT = Path("/tmp")


class Server:
    """One PostgreSQL. Its superuser is `lab`, its database `postgres`; nobody on this machine needs a password."""

    def __init__(self, home: Path, folder: Path, settings: tuple[str, ...], port: int | None) -> None:
        self.folder = folder
        self.port = port
        self._programs = _programs(home)
        self._data = folder / "data"
        self._log = folder / "log"
        self._settings = ("jit=off", "shared_buffers=16MB", f"listen_addresses={HOST if port else ''}", *settings)
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str, port: int | None = None) -> str:
        """Where a database is: on the Unix socket, or on loopback by a port, the server's or a proxy's before it."""
        if port is not None:
            return f"postgresql://lab@{HOST}:{port}/{database}"
        return f"postgresql://lab@/{database}?host={self.folder}&port={self.port or USUAL_PORT}"

    def cpu_ms(self) -> float:
        """The CPU time of it and of all its processes that have ended, such as those of closed connections, in ms."""
        return process.cpu_ms(self.pid, with_ended=True)

    def prepare(self) -> None:
        """Make its files. LabError if that cannot be."""
        words = ("-D", str(self._data), "-U", "lab", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        if _call(self._programs, self._log, "initdb", *words).wait(60) != 0:
            raise LabError(f"initdb failed: {_last_line(self._log)}")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # of one that was killed
        port = self.port or USUAL_PORT
        settings = [word for setting in self._settings for word in ("-c", setting)]
        words = ("-D", str(self._data), "-k", str(self.folder), "-p", str(port), *settings)
        server = self._process = _call(self._programs, self._log, "postgres", *words)
        socket = self.folder / f".s.PGSQL.{port}"
        if not process.waited(lambda: server.poll() is not None or _accepts(self._data, socket), START_LIMIT_S, 0.02):
            raise LabError(f"PostgreSQL is not ready within {START_LIMIT_S} s")
        if server.poll() is not None:
            raise LabError(f"PostgreSQL ended at its start: {_last_line(self._log)}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT throws its clients out ("fast"); SIGQUIT leaves at once, and it recovers when it starts."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    @property
    def pid(self) -> int:
        """The pid of its postmaster."""
        return self._process.pid if self._process else 0


@contextmanager
def running(home: Path, *settings: str, port: int | None = None, in_memory: bool = False) -> Iterator[Server]:
    """Run one, with settings as `fsync=off`, on a Unix socket of its own, and on loopback if it is to have a port;
    `in_memory`: where there is enough, not on a disk.
    """
    where = memory.FOLDER if in_memory and memory.enough() else _SHORT
    folder = Path(tempfile.mkdtemp(prefix="connector-pg-", dir=where))
    try:
        _hand_over(folder)
        server = Server(home, folder, settings, port)
        server.prepare()
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=False)


def _accepts(data: Path, socket: Path) -> bool:
    """Its pid file says `ready` in its last line when it takes connections."""
    try:
        return socket.exists() and (data / "postmaster.pid").read_text().splitlines()[-1].strip() == "ready"
    except (OSError, IndexError):
        return False


def _programs(home: Path) -> Path:
    """The folder of initdb and postgres: the system's, or one unpacked into `home`."""
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
    found = new_enough(str(system[-1]), "--version", OLDEST) if system else None
    if found:
        return found.parent
    unpacked = sorted(debian.unpacked(home, _PACKAGES).glob("usr/lib/postgresql/*/bin/postgres"))
    if not unpacked:
        raise LabError(f"{home} has no PostgreSQL in it: remove it and try again")
    return unpacked[-1].parent


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").splitlines() or ["it said nothing"])[-1]


def _call(programs: Path, log: Path, name: str, *words: str) -> subprocess.Popen[bytes]:
    """Start one of its programs as somebody who is not root, ended with us. What it says is added to a log."""
    root = programs.parents[4]
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    if root != Path("/"):
        environment["LD_LIBRARY_PATH"] = libraries
    nobody = (f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups") if os.getuid() == 0 else ()
    command = ["setpriv", *nobody, "--pdeathsig=INT", str(programs / name), *words]
    with log.open("ab") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, cwd="/")


def _hand_over(folder: Path) -> None:
    if os.getuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
