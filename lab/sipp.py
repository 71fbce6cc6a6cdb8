"""Runs SIPp and reads what it counted. Secrets go to SIPp in files of mode 0600, never in its arguments.

A scenario is a file of `tests/sipp-scenarios/`, in which `@name@` stands for `blocks/name.xml` or a word of the run.
"""

from __future__ import annotations

import csv
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.instance import PROJECT, fill, write_private
from lab.ports import HOST, free_udp_port
from lab.root import Program

_started: list[Running] = []
SCENARIOS = PROJECT / "tests" / "sipp-scenarios"


def authentication(username: str, password: str) -> str:
    """SIPp's word for "answer the challenge with these", to stand in a field of an injection file."""
    return f"[authentication username={username} password={password}]"


@dataclass(frozen=True)
class Result:
    """What SIPp counted at its end. `counts` are the scenario's own counters, by name."""

    successful: int
    failed: int
    counts: dict[str, int]
    errors: list[str]
    exit_code: int

    def why(self) -> str:
        """One line on what went wrong."""
        return self.errors[0] if self.errors else f"SIPp ended with {self.exit_code}"


@dataclass(frozen=True)
class Run:
    """One SIPp to be started.

    `target` is where it sends to; `host` and `port` are its own (0: any). A <pause/> takes `hold_s`. `rows` are its
    injection file: call N takes row N, from the first again after the last. `tolerant`: what it does not expect is
    ignored. `timed`: every time that the scenario measures is written down (Running.times_ms).
    """

    program: Program
    scenario: Path
    folder: Path
    target: tuple[str, int]
    calls: int = 1
    rate: float = 10
    rate_period_ms: int = 1000
    host: str = HOST
    port: int = 0
    media_port: int = 0
    limit: int = 2000
    words: dict[str, str] = field(default_factory=dict)
    hold_s: float = 1
    tolerant: bool = False
    timed: bool = False
    rows: tuple[tuple[str, ...], ...] = ()

    def start(self) -> Running:
        """Start it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob("*"):
            left.unlink()
        filled = self.folder / self.scenario.name
        filled.write_bytes(_filled(self.scenario, self.words).encode(errors="surrogateescape"))
        command = [*self.program.command, "-sf", str(filled), "-i", self.host, "-nostdin"]
        command += ["-p", str(self.port or free_udp_port())]
        if self.media_port:
            command += ["-min_rtp_port", str(self.media_port), "-max_rtp_port", str(self.media_port + 3999)]
        if self.rows:
            text = "SEQUENTIAL\n" + "".join(";".join(row) + "\n" for row in self.rows)
            write_private(self.folder / "rows.inf", text)
            command += ["-inf", str(self.folder / "rows.inf")]
        command += ["-trace_stat", "-stf", str(self.folder / "stat.csv"), "-fd", "1"]
        command += ["-trace_err", "-error_file", str(self.folder / "errors.log")]
        command += ["-trace_logs", "-log_file", str(self.folder / "said.log")]
        command += ["-m", str(self.calls), "-l", str(self.limit)]
        command += ["-r", str(self.rate), "-rp", str(self.rate_period_ms)]
        command += ["-d", str(int(self.hold_s * 1000))]
        if self.timed:
            command += ["-trace_rtt", "-rtt_freq", "50"]
        if self.tolerant:
            command += ["-default_behaviors", "all,-abortunexp"]
        command.append(f"{self.target[0]}:{self.target[1]}")
        at = self.folder if self.timed else None  # where it writes those times, and nothing can be said about it
        child = process.start(command, self.folder / "sipp.log", env={"TERM": "dumb"}, folder=at)
        running = Running(self, child)
        _started.append(running)
        return running


def end_all() -> None:
    """End every SIPp that is still at work: after a test that failed, nobody else does."""
    while _started:
        running = _started.pop()
        if running.child.poll() is None:
            running.end()


def _filled(scenario: Path, words: dict[str, str]) -> str:
    """The scenario with its blocks in it, and their blocks in them."""
    text = scenario.read_text()
    known = {**{path.stem: path.read_text().rstrip("\n") for path in (SCENARIOS / "blocks").glob("*.xml")}, **words}
    for _ in range(3):
        text = fill(text, known, scenario)
    return text


@dataclass
class Running:
    """A SIPp at work."""

    run: Run
    child: subprocess.Popen[bytes]

    def wait(self, limit_s: float) -> Result:
        """Wait until it has placed its calls and they are over. LabError, and it is ended, if they are not within
        `limit_s` of a machine that has nothing else to do.
        """
        try:
            self.child.wait(timeout=limit_s * process.PATIENCE)
        except subprocess.TimeoutExpired:
            counted = self.progress()
            self.end()
            raise LabError(f"{self.run.scenario.name} was not done within {limit_s:.0f} s: {counted}") from None
        return self.result()

    def end(self) -> Result:
        """End it now (a server is ended so) and read what it counted."""
        process.end(process.identify(self.child.pid), limit_s=5)
        self.child.wait()
        return self.result()

    def said(self) -> list[str]:
        """What its scenario wrote down, by <log/>."""
        path = self.run.folder / "said.log"
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def times_ms(self) -> dict[str, list[float]]:
        """Every time that its scenario measured, in milliseconds, by the name of its timer (rtd)."""
        found: dict[str, list[float]] = {}
        for path in self.run.folder.glob("*_rtt.csv"):
            with path.open(newline="") as file:
                for _, took, name, *_ in csv.reader(file, delimiter=";"):
                    if took.replace(".", "", 1).isdigit():  # the first line has the columns' names
                        found.setdefault(name, []).append(float(took))
        return found

    def progress(self) -> dict[str, int]:
        """The newest line of its statistics: every column that is a number."""
        path = self.run.folder / "stat.csv"
        if not path.exists():
            return {}
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter=";") if None not in row.values()]
        if not rows:
            return {}
        return {name: int(value) for name, value in rows[-1].items() if name and value and value.isdigit()}

    def result(self) -> Result:
        """What it counted."""
        counted = self.progress()
        log = self.run.folder / "errors.log"
        told = log.read_text(errors="replace").splitlines() if log.exists() else []
        errors = [line for line in told if line and "events occurred" not in line]
        if not counted and not errors:
            said = (self.run.folder / "sipp.log").read_text(errors="replace").strip().splitlines()
            errors = said[-1:]
        return Result(
            successful=counted.get("SuccessfulCall(C)", 0),
            failed=counted.get("FailedCall(C)", 0),
            counts={name.removesuffix("(C)"): value for name, value in counted.items() if name.endswith("(C)")},
            errors=errors,
            exit_code=self.child.returncode if self.child.returncode is not None else -1,
        )
