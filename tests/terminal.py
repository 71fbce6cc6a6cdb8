"""A program at a terminal of its own: what it asks, and what somebody types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from types import TracebackType

LIMIT_S = 60.0


def _of_its_own() -> None:
    """It is the terminal's program, which Ctrl-C reaches, also if the tests are started where that is ignored."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A program that runs at a terminal with so many columns. Ended when the `with` is left."""

    def __init__(self, command: Sequence[str], *, columns: int = 80, env: dict[str, str] | None = None) -> None:
        self._mine, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "dumb", **(env or {})},
            preexec_fn=_of_its_own,
        )  # fmt: skip
        os.close(theirs)
        self.said = ""
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._mine)

    def until(self, text: str) -> None:
        """Wait until it has printed this, after what was waited for before."""
        end = time.monotonic() + LIMIT_S
        while (at := self.said.find(text, self._seen)) < 0:
            assert time.monotonic() < end, f"{text!r} was not printed: {self.said[self._seen :]!r}"
            assert self._read(), f"it ended before {text!r}: {self.said[self._seen :]!r}"
        self._seen = at + len(text)

    def answer(self, question: str, typed: str) -> None:
        """Wait for a question, and type."""
        self.until(question)
        os.write(self._mine, f"{typed}\n".encode())

    def press(self, key: bytes) -> None:
        """Type a key, as b"\\x03" for Ctrl-C."""
        os.write(self._mine, key)

    def ended(self, again: bytes = b"") -> int:
        """Wait until it has ended; its exit status. `again`: a key that is typed once more each second until then.

        A person does so too: a Ctrl-C that comes in the moment before Python waits for input is seen by it only when
        that input, or the next signal, comes (CPython checks for signals before the system call, not in it).
        """
        began = time.monotonic()
        typed = 0
        while self._read():
            took = time.monotonic() - began
            assert took < LIMIT_S, f"it does not end: {self.said[self._seen :]!r}"
            if again and int(took) > typed:
                typed = int(took)
                self.press(again)
        return self._process.wait(LIMIT_S)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._mine], [], [], 0.2)
        if not ready:
            return self._process.poll() is None
        try:
            found = os.read(self._mine, 65536)
        except OSError:  # the other end is closed
            return False
        self.said += found.decode(errors="replace").replace("\r\n", "\n")
        return bool(found)
