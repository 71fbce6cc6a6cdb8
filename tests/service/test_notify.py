"""What systemd hears of a process, and that nobody has to listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from connector.service import notify


@pytest.mark.parametrize("kind", ["a path", "an abstract name"])
def test_systemd_hears_it(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a socket in the file system, or by an abstract one, which is written with an @."""
    name = str(tmp_path / "notify") if kind == "a path" else f"@connector-{tmp_path.name}-{id(tmp_path)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify.tell(notify.READY)
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("name", ["", "/there/is/none", "not a path", "vsock:2:1"])
def test_nobody_has_to_listen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without systemd, or if it does not listen, the process goes on."""
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify.tell(notify.READY)


def test_a_full_socket_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If systemd stands still, the event loop does not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        for _ in range(2_000):
            notify.tell(notify.ALIVE)
