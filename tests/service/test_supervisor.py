"""`connector serve`, as a system's service manager runs it: two processes, each started again, none left behind.

There is no Asterisk here: the gate looks for it all the while, and the pages are there.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.billing import restored
from connector.database.sqlite import FileStore
from connector.errors import GateUnavailable
from connector.service import gate_status
from lab import process
from lab.ports import HOST

SETTINGS = """\
node = "node"
[store]
path = "{folder}/connector.db"
[ari]
port = {ari}
user = "a"
password = "b"
[ami]
port = {ari}
user = "a"
password = "b"
[sip]
generated = "{folder}/generated"
[web]
port = {web}
token = "t"
[fastagi]
port = {fastagi}
"""
# A free range of its own (tests/sipp has others).
WEB, FASTAGI, ARI = 15585, 15586, 15587


class Served:
    """`connector serve`, running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "connector.toml"
        self.settings.write_text(SETTINGS.format(folder=folder, web=WEB, fastagi=FASTAGI, ari=ARI))
        self.log = folder / "log" / "serve.log"
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until both processes answer."""
        command = [sys.executable, "-m", "connector", "--config", str(self.settings), "serve"]
        self.child = process.start(command, self.log)
        assert process.waited(lambda: self.gate() is not None and self.health() is not None, 30), self.said()

    def gate(self) -> int | None:
        """The gate's pid, by its own word; None if it does not answer."""
        try:
            return asyncio.run(gate_status.ask(self.folder / "connector.sock", "node")).pid
        except GateUnavailable:
            return None

    def control(self) -> int:
        """The other one's pid."""
        assert self.child is not None
        (found,) = [pid for pid in process.children(self.child.pid) if pid != self.gate()]
        return found

    def health(self) -> dict[str, Any] | None:
        """What /health says; None if nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{WEB}/health", timeout=5) as answer:
                found: dict[str, Any] = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            found = json.loads(error.read())
        except OSError:
            return None
        return found

    def said(self) -> str:
        """Its log."""
        return self.log.read_text() if self.log.exists() else ""

    def end(self) -> int:
        """Ask it to end; its exit status."""
        assert self.child is not None
        self.child.terminate()
        return self.child.wait(30)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Settings and a folder; whatever a test started is ended."""
    made = Served(tmp_path)
    yield made
    if made.child is not None:
        process.end(process.identify(made.child.pid))
        made.child.wait()


def test_each_process_is_started_again_and_the_other_does_not_notice(served: Served) -> None:
    """kill -9 of either, and one that is asked to end: it is back with a new pid, the other keeps its own."""
    served.start()
    gate, control = served.gate(), served.control()
    assert gate is not None
    assert served.health() == {"ready": False, "store": True, "gate": True}  # there is no Asterisk
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGRTMIN + 3):
        os.kill(control, how)
        assert process.waited(lambda: served.health() is None, 5)
        assert process.waited(lambda: served.health() is not None, 20), served.said()
        assert (served.gate(), served.control() != control) == (gate, True)
        control = served.control()
    os.kill(gate, signal.SIGKILL)
    assert process.waited(lambda: served.health() == {"ready": False, "store": True, "gate": False}, 5)
    assert process.waited(lambda: served.gate() not in (gate, None), 20), served.said()
    assert process.waited(lambda: served.health() == {"ready": False, "store": True, "gate": True}, 5)
    assert served.control() == control
    assert served.end() == 0
    assert "Traceback" not in served.said()


def gone(which: process.Identity) -> bool:
    """Whether a process has ended."""
    return not which.alive()


def test_none_is_left_when_the_supervisor_is_gone(served: Served) -> None:
    """However it went: both processes end, and the next one finds nothing in its way."""
    for how in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        served.start()
        assert served.child is not None
        both = [process.identify(pid) for pid in process.children(served.child.pid)]
        os.kill(served.child.pid, how)
        served.child.wait(30)
        for each in both:
            assert each is not None
            assert process.waited(functools.partial(gone, each), 15), served.said()


def test_a_gate_that_stands_still_is_known_to(served: Served) -> None:
    """SIGSTOP: /health says within a second or two that nobody answers, and `doctor` too."""
    served.start()
    gate = served.gate()
    assert gate is not None
    with process.stopped(gate):
        assert process.waited(lambda: served.health() == {"ready": False, "store": True, "gate": False}, 3)
        command = [sys.executable, "-m", "connector", "--config", str(served.settings), "doctor", "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        found = {check["name"]: check for check in json.loads(ran.stdout)}
        assert found["gate"]["state"] == "wrong"
        assert "does not answer" in found["gate"]["found"]
        assert found["control"]["state"] == "ok"
    assert process.waited(lambda: served.gate() == gate, 5)


def test_a_gate_that_waits_for_a_look_is_there(served: Served) -> None:
    """After a restore nothing is admitted before somebody has looked; that the gate runs is known all the same."""
    store = FileStore(served.folder / "connector.db")
    store.migrate()
    restored.mark(0)
    store.close()
    served.start()
    assert served.health() == {"ready": False, "store": True, "gate": True}


def test_a_control_process_that_stands_still_is_killed(served: Served) -> None:
    """SIGSTOP, perhaps in the middle of a transaction: ten seconds later it is another one, the gate is the same."""
    served.start()
    gate, control = served.gate(), served.control()
    os.kill(control, signal.SIGSTOP)
    assert process.waited(lambda: "the control process stands still" in served.said(), 15)
    assert process.waited(lambda: served.health() is not None, 20), served.said()
    assert served.control() != control
    assert served.gate() == gate


def test_a_lock_that_may_not_be_opened_is_one_line(served: Served) -> None:
    """It is another user's, or a folder: what to do is said, and nothing is started again and again."""
    (served.folder / "connector.lock").mkdir()
    command = [sys.executable, "-m", "connector", "--config", str(served.settings), "serve"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "connector.lock: Is a directory. Give it and its folder to the user" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(("port", "said"), [(FASTAGI, "FastAGI cannot listen"), (WEB, "the web server cannot listen")])
def test_what_cannot_begin_says_why_and_ends(served: Served, port: int, said: str) -> None:
    """A port that somebody has: one line, exit status 1, and neither process is left."""
    with socket.create_server((HOST, port)):
        command = [sys.executable, "-m", "connector", "--config", str(served.settings), "serve"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    (error,) = [line for line in ran.stderr.splitlines() if line.startswith("error:")]
    assert said in error
    assert "Traceback" not in ran.stderr


def test_it_may_be_told_to_try_for_ever(served: Served) -> None:
    """As sysvinit's script tells it: what is in the way at boot may be gone a little later."""
    with socket.create_server((HOST, WEB)):
        command = [sys.executable, "-P", "-m", "connector.service", "--config", str(served.settings), "--keep-trying"]
        served.child = process.start(command, served.log)
        assert process.waited(lambda: "the control process ended (exit status 78)" in served.said(), 30), served.said()
        assert served.child.poll() is None
    assert process.waited(lambda: served.health() is not None, 60), served.said()
    assert served.end() == 0


def test_a_second_one_leaves_the_first_alone(served: Served) -> None:
    """It says that one runs, and ends; the first goes on with both of its processes."""
    served.start()
    both = (served.gate(), served.control())
    command = [sys.executable, "-m", "connector", "--config", str(served.settings), "serve"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "already runs" in ran.stderr
    assert (served.gate(), served.control()) == both


def test_the_gate_loads_nothing_of_the_pages() -> None:
    """What answers pages and requests is in the other process: neither its code nor its faults are in this one."""
    code = (
        "import sys, connector.service.gate;"
        "print([name for name in sys.modules if name.startswith(('connector.web', 'connector.cli', 'jinja2'))])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_systemd_is_told_by_each_process(served: Served, tmp_path: Path) -> None:
    """Each as a unit of its own: ready when it has begun, the control process alive every second, and stopping."""
    name = str(tmp_path / "notify")
    for part, alive in (("gate", False), ("control", True)):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(name)
            systemd.settimeout(30)
            heard: list[str] = []

            def hears(what: str, systemd: socket.socket = systemd, heard: list[str] = heard) -> None:
                """Listen until it is said."""
                while not heard or heard[-1] != what:
                    heard.append(systemd.recv(100).decode())

            words = ["-P", "-m", "connector.service", "--config", str(served.settings), "--part", part]
            child = process.start([sys.executable, *words], served.log, env={"NOTIFY_SOCKET": name})
            try:
                hears("READY=1")
                if alive:
                    hears("WATCHDOG=1")
                child.terminate()
                hears("STOPPING=1")
                assert child.wait(30) == 0
                assert ("WATCHDOG=1" in heard) is alive
            finally:
                process.end(process.identify(child.pid))
                child.wait(30)
        (tmp_path / "notify").unlink()
