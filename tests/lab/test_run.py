"""`make run`, `make start`, `make stop`, as a newcomer meets them, in a folder of their own."""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.billing import limits
from connector.core import refusals
from connector.database import vault
from connector.database.sqlite import FileStore
from lab import process, root
from lab.errors import LabError
from lab.instance import PROJECT, remove
from lab.ports import HOST, Ports
from lab.process import identify
from lab.run import recorded

BASE = 15560


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A lab's folder that is not there yet; whatever a test left running there is ended."""
    place = tmp_path / "var"
    yield place
    lab(place, "stop")
    remove(place)


def lab(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m lab`, as the Makefile calls it."""
    command = [sys.executable, "-m", "lab", words[0], "--folder", str(folder), *words[1:]]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120)


def start(folder: Path) -> subprocess.CompletedProcess[str]:
    """`make start`."""
    return lab(folder, "start", "--port-base", str(BASE))


def nothing_left(folder: Path) -> bool:
    """No process has the folder in its command line, and no port is taken."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(str(folder).encode() in word for word in words) and identify(int(path.parent.name)):
            return False
    try:
        Ports.from_base(BASE).check_free()
    except LabError:
        return False
    return True


def pids(folder: Path) -> dict[str, int]:
    """The pids of the parts, as run.json tells them."""
    found: dict[str, int] = json.loads((folder / "run.json").read_text())["pids"]
    return found


def changed(folder: Path, part: str, old: dict[str, int]) -> bool:
    """Whether a part has another pid now."""
    return pids(folder)[part] != old[part]


def test_start_shows_two_cdrs_tells_all_in_run_json_and_stop_leaves_nothing(folder: Path) -> None:
    """One call out, one in, both in the table; run.json is private and complete; after stop, nothing runs."""
    up = start(folder)
    assert up.returncode == 0, up.stdout + up.stderr
    assert "/welcome?link=" in up.stdout
    rows = [line.split() for line in up.stdout.splitlines() if " office " in line]
    assert sorted((row[2], row[-2]) for row in rows) == [("in", "ok"), ("out", "ok")]
    told = json.loads((folder / "run.json").read_text())
    assert (folder / "run.json").stat().st_mode & 0o777 == 0o600
    assert set(told) == {"sip", "carrier", "ari", "ami", "fastagi", "web", "pids", "profiles", "numbers"}
    assert told["profiles"][0]["channels"] == 300
    assert {"answered", "busy", "no_answer", "unknown"} <= set(told["numbers"])
    assert all(identify(pid) for pid in told["pids"].values())
    again = start(folder)
    assert again.returncode == 1
    assert "runs already" in again.stderr
    down = lab(folder, "stop")
    assert "nothing is left running" in down.stdout
    assert nothing_left(folder)
    assert not (folder / "run.json").exists()
    assert "nothing was running" in lab(folder, "stop").stdout


def test_a_store_whose_sample_calls_are_refused_comes_up_all_the_same(folder: Path) -> None:
    """It may be somebody's own, whose profile has no money: it says why, and is there."""
    assert start(folder).returncode == 0
    assert lab(folder, "stop").returncode == 0
    vault.use(folder / "connector.key")
    store = FileStore(folder / "connector.db")
    try:
        limits.change("office", {}, [("+", False)], [])
    finally:
        store.close()
    up = start(folder)
    assert up.returncode == 0, up.stdout + up.stderr
    assert "warning: the outgoing call failed" in up.stdout
    assert f"destination_blocked: {refusals.DESTINATION_BLOCKED.words}" in up.stdout
    assert json.loads((folder / "run.json").read_text())["profiles"]
    assert lab(folder, "stop").returncode == 0
    assert nothing_left(folder)


def test_parts_that_are_killed_are_started_again_and_stop_still_leaves_nothing(folder: Path) -> None:
    """kill -9 of one part after the other: run.json soon has its new pid, and the end is clean."""
    assert start(folder).returncode == 0
    for part in ("connector", "control", "asterisk", "carrier"):
        old = pids(folder)
        os.kill(old[part], signal.SIGKILL)
        again = process.waited(functools.partial(changed, folder, part, old), 10)
        assert again, part
    assert lab(folder, "stop").returncode == 0
    assert nothing_left(folder)


def test_a_supervisor_that_is_killed_takes_its_parts_with_it(folder: Path) -> None:
    """kill -9 of the supervisor: the kernel ends the parts, a new start works, and stop leaves nothing."""
    assert start(folder).returncode == 0
    supervisor = recorded(folder)["supervisor"]
    os.kill(supervisor.pid, signal.SIGKILL)
    assert process.waited(lambda: nothing_left(folder), 20)
    assert start(folder).returncode == 0
    assert lab(folder, "stop").returncode == 0
    assert nothing_left(folder)


def test_ctrl_c_ends_everything(folder: Path) -> None:
    """SIGINT to `make run` in the foreground: it says so, and nothing is left."""
    command = [sys.executable, "-m", "lab", "run", "--folder", str(folder), "--port-base", str(BASE)]
    child = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.waited(lambda: (folder / "run.json").exists(), 40)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=30)
    assert "nothing is left running" in said
    assert nothing_left(folder)


def test_a_port_in_use_is_one_clear_line_and_leaves_nothing(folder: Path) -> None:
    """It names the port and what to do; no part was started."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, BASE))
        up = start(folder)
    assert up.returncode == 1
    assert f"port {BASE}/udp" in up.stdout
    assert "PORT_BASE" in up.stdout
    assert "Traceback" not in up.stdout + up.stderr
    assert nothing_left(folder)


def test_a_half_made_earlier_try_is_begun_again(folder: Path) -> None:
    """A store without its passwords (killed while it was made) is no obstacle."""
    folder.mkdir()
    (folder / "connector.db").write_text("half")
    (folder / "lab.json").write_text("{half")
    assert start(folder).returncode == 0
    assert lab(folder, "stop").returncode == 0


def test_no_disk_for_a_private_root_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is begun, and a half-made root of an earlier try is swept."""
    (tmp_path / "half-made-1").mkdir()
    monkeypatch.setattr(root, "ROOT_NEEDS_BYTES", 1 << 60)
    with pytest.raises(LabError, match="no disk"):
        root.make_root(tmp_path)
    assert not (tmp_path / "half-made-1").exists()
    assert not (tmp_path / "root").exists()


def test_no_right_to_make_a_root_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without mmdebstrap and without root: whom to ask for what."""
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="ask root"):
        root.make_root(tmp_path)


BANNERS = """
Asterisk 22.10.1~dfsg+~cs6.15.60671435-1   -> taken
Asterisk 22.10.0                           -> left
Asterisk 20.9.2                            -> left
Asterisk 23.0.0                            -> taken
Asterisk GIT-master                        -> left
"""


@pytest.mark.parametrize("line", BANNERS.strip().splitlines())
def test_a_systems_asterisk_is_taken_if_it_is_new_enough(line: str) -> None:
    """22.10.1 or later; anything that cannot be read is left alone."""
    banner, _, wanted = line.partition("->")
    assert ("taken" if root.version_of(banner) >= root.OLDEST_ASTERISK else "left") == wanted.strip()


# what a program says of its version | the oldest that is taken -> whether it is used
@pytest.mark.parametrize("line", [
    " SIPp v3.6.1-TLS-SCTP-PCAP.                     | 3.7.0 -> left",
    " SIPp v3.7.3-TLS-SCTP.                          | 3.7.0 -> taken",
    "version: kamailio 5.6.3 (x86_64/linux) 2a7e1d   | 5.6   -> taken",
    "postgres (PostgreSQL) 13.22 (Debian 13.22-0)    | 15.0  -> left",
    "postgres (PostgreSQL) 15.14 (Debian 15.14-0)    | 15.0  -> taken",
    "Chromium 156.0.8078.108 built on Debian 12      | 120.0 -> taken",
    "baresip v1.0.0 Copyright (C) 2010 - 2020        | 1.0.0 -> taken",
    "something else                                  | 1.0   -> left",
])  # fmt: skip
def test_a_program_that_is_too_old_is_not_used(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it is said why."""
    banner, _, rest = line.partition("|")
    oldest, _, wanted = rest.partition("->")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho '{banner.rstrip()}'\nexit 99\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = root.new_enough("program", "-v", tuple(int(part) for part in oldest.strip().split(".")))
    assert ("taken" if found == program else "left") == wanted.strip()
    assert ("or later is needed" in capsys.readouterr().out) == (found is None)
    assert root.new_enough("no-such-program", "-v", (1,)) is None
