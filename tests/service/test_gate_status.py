"""What the gate says of itself, over a real socket: read whole, or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.errors import GateUnavailable
from connector.service import gate_status
from connector.service.gate_status import Gate, GateStatus

STATUS = GateStatus(node="n", pid=1, ready=True, calls=3, tried={"carrier": (503, 1_790_000_000_000)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A socket in a folder so deep that its whole name is longer than the kernel takes."""
    return tmp_path / ("deep" * 20) / ("deeper" * 20) / "gate.sock"


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Path]:
    """A socket that takes a connection, and says nothing: a gate that stands still."""
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        yield path


def mode_of(path: Path) -> int:
    """Who may use a file."""
    return path.stat().st_mode & 0o777


def remove(path: Path) -> None:
    """As if it had never been."""
    path.unlink()


async def test_who_asks_is_told(path: Path) -> None:
    """All of it comes back, however deep the folder is, and only this user may ask."""
    server = await gate_status.listen(path, lambda: STATUS)
    assert await gate_status.ask(path, "n") == STATUS
    assert mode_of(path) == 0o600
    server.close()


async def test_a_gate_that_was_killed_leaves_a_socket_that_the_next_one_takes(path: Path) -> None:
    """What is left of the last one is in nobody's way."""
    path.parent.mkdir(parents=True)
    left = socket.socket(socket.AF_UNIX)
    with gate_status._short(path) as name:
        left.bind(name)
    left.close()
    with pytest.raises(GateUnavailable, match="no gate process answers"):
        await gate_status.ask(path, "n")
    server = await gate_status.listen(path, lambda: STATUS)
    assert (await gate_status.ask(path, "n")).calls == 3
    server.close()


async def test_a_gate_that_is_not_there_is_unknown(path: Path, silent: Path) -> None:
    """No folder, nobody who listens, nobody who answers: an error in one line each."""
    with pytest.raises(GateUnavailable, match="no gate process answers"):
        await gate_status.ask(path, "n")
    with pytest.raises(GateUnavailable, match="does not answer"):
        await gate_status.ask(silent, "n", 0.2)


@pytest.mark.parametrize(
    "said",
    [
        b"", b"{}\n", b"[]\n", b"no\n", b"1" * 99, b"[" * 100_000 + b"\n",
        b'{"node": "n", "pid": "x", "ready": 1, "calls": 1}\n',
        b'{"node": "n", "pid": 1, "ready": true, "calls": Infinity, "tried": {}}\n',
    ],
)  # fmt: skip
async def test_what_is_no_status_is_none(tmp_path: Path, said: bytes) -> None:
    """Somebody else's program behind the name, or a gate that died half-way."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    path = tmp_path / "other.sock"
    server = await asyncio.start_unix_server(answer, path)
    with pytest.raises(GateUnavailable):
        await gate_status.ask(path, "n")
    server.close()


async def test_the_control_process_knows_it_is_ready_only_while_it_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ready, not ready, dead, back: each is known at the next question, and what trunks answered with it."""
    monkeypatch.setattr(gate_status, "HEALTH_EVERY_S", 0)  # each question is asked
    now = [STATUS]
    gate = Gate(path, "n")
    found = []

    async def look() -> None:
        await gate.ask()
        found.append((gate.answers, gate.is_ready, dict(gate.tried)))

    await look()
    server = await gate_status.listen(path, lambda: now[0])
    await look()
    now[0] = GateStatus("n", 2, ready=False, calls=0)
    await look()
    server.close()
    remove(path)
    await look()
    assert found == [(False, False, {}), (True, True, STATUS.tried), (True, False, {}), (False, False, {})]


async def test_however_many_ask_the_gate_is_asked_a_few_times(path: Path) -> None:
    """/health is open to everybody: a thousand who ask at once are one question."""
    asked = 0

    def status() -> GateStatus:
        nonlocal asked
        asked += 1
        return STATUS

    server = await gate_status.listen(path, status)
    gate = Gate(path, "n")
    await asyncio.gather(*(gate.ask() for _ in range(1000)))
    assert (asked, gate.is_ready) == (1, True)
    server.close()


async def test_the_gate_of_another_node_is_not_ours(path: Path) -> None:
    """Two nodes with one socket: it is said, and nobody's state is taken for another's."""
    server = await gate_status.listen(path, lambda: STATUS)
    with pytest.raises(GateUnavailable, match="another node"):
        await gate_status.ask(path, "m")
    server.close()


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong setting names a store or a key: nothing happens to it, and the log says what to set."""
    path = tmp_path / "connector.db"
    path.write_text("precious")
    serving = asyncio.create_task(gate_status.serve(path, lambda: STATUS))
    async with asyncio.timeout(5):
        while "set [gate] socket" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    serving.cancel()
    assert path.read_text() == "precious"
