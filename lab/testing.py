"""`make test`: style, types, and every test, in one go with one answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import process
from lab.instance import PROJECT
from lab.root import find_asterisk, find_sipp
from lab.run import ASTERISK_HOME, VAR

_STEPS = (
    ("style", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("types", ["-m", "mypy"]),
)
# What runs beside the rest, a pytest each with ports of its own: tests on the wire, which wait more than they compute.
_BESIDE = {
    "13660": (
        "tests/sipp/test_config.py",
        "tests/sipp/test_dropin.py",
        "tests/sipp/test_endings.py",
        "tests/sipp/test_fastagi.py",
        "tests/sipp/test_foreign_pbx.py",
        "tests/sipp/test_hostile.py",
        "tests/sipp/test_manager.py",
        "tests/sipp/test_money.py",
        "tests/sipp/test_routes.py",
        "tests/sipp/test_trunks.py",
        "tests/web",
    ),
    "12660": (
        "tests/sipp/test_baresip.py",
        "tests/sipp/test_chaos.py",
        "tests/sipp/test_foreign_phones.py",
        "tests/sipp/test_torture.py",
        "tests/test_cli.py",
    ),
}
_PYTEST = (sys.executable, "-m", "pytest")


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
    """All of them: first those that disturb nobody, several at once; then those that measure time or load, alone."""
    beside = {ports: _begun(ports, files) for ports, files in _BESIDE.items()}
    others = [path for files in _BESIDE.values() for path in files]
    try:
        went_well = _pytest(["-m", "not alone", *(f"--ignore={path}" for path in others)]) == 0
        for running in beside.values():
            went_well = (running.wait() == 0) and went_well
    finally:
        for ports, running in beside.items():
            process.end(process.identify(running.pid))
            print(f"-- beside: {' '.join(_BESIDE[ports])}\n{_said(ports).read_text(errors='replace')}", flush=True)
    print("-- alone", flush=True)
    return (_pytest(["-m", "alone"]) == 0) and went_well


def _begun(ports: str, files: Sequence[str]) -> subprocess.Popen[bytes]:
    _said(ports).unlink(missing_ok=True)
    words = [*_PYTEST, "-p", "no:cacheprovider", "-m", "not alone", *files]
    return process.start(words, _said(ports), env={"CONNECTOR_TEST_PORTS": ports})


def _said(ports: str) -> Path:
    return VAR / f"beside-{ports}.log"


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([*_PYTEST, *arguments], cwd=PROJECT, check=False).returncode
