"""`make test`: style, types, and every test, in one go with one answer."""

from __future__ import annotations

import subprocess
import sys

from lab import process
from lab.instance import PROJECT
from lab.root import find_asterisk, find_sipp
from lab.run import ASTERISK_HOME, VAR

_STEPS = (
    ("style", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("types", ["-m", "mypy"]),
)
_BESIDE_PORTS = "13660"
_BESIDE = (
    "tests/sipp/test_config.py",
    "tests/sipp/test_trunks.py",
    "tests/sipp/test_dropin.py",
    "tests/lab/test_sim.py",
    "tests/lab/test_soak.py",
    "tests/billing/test_properties.py",
    "tests/test_backup.py",
    "tests/test_cli_money.py",
    "tests/test_timemachine.py",
)


def run(arguments: list[str]) -> bool:
    """Every step, the first failure last; LabError if there is no Asterisk or SIPp to test with."""
    print(f"{find_asterisk(ASTERISK_HOME).program.version}, {find_sipp(ASTERISK_HOME).version}", flush=True)
    for name, words in _STEPS:
        print(f"-- {name}", flush=True)
        if subprocess.run([sys.executable, *words], cwd=PROJECT, check=False).returncode != 0:
            print(f"{name} failed", flush=True)
            return False
    print("-- tests", flush=True)
    return _pytest(arguments) == 0 if arguments else _all_tests()


def _all_tests() -> bool:
    """All of them. Those that take a minute, and measure no load, do it beside the first of the others, which are
    unit tests; those that need Asterisk have a lab of their own.
    """
    said = VAR / "beside.log"
    said.unlink(missing_ok=True)
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *_BESIDE]
    beside = process.start(words, said, env={"CONNECTOR_TEST_PORTS": _BESIDE_PORTS})
    try:
        went_well = _pytest([f"--ignore={path}" for path in _BESIDE]) == 0
        return (beside.wait() == 0) and went_well
    finally:
        process.end(process.identify(beside.pid))
        print(f"-- beside them: {' '.join(_BESIDE)}\n{said.read_text(errors='replace')}", flush=True)


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=PROJECT, check=False).returncode
