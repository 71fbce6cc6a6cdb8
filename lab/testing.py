"""`make test`: style, types, and every test, in one go with one answer."""

from __future__ import annotations

import subprocess
import sys

from lab.instance import PROJECT
from lab.root import find_asterisk, find_sipp
from lab.run import ASTERISK_HOME

_STEPS = (
    ("style", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("types", ["-m", "mypy"]),
    ("tests", ["-m", "pytest"]),
)


def run(arguments: list[str]) -> bool:
    """Every step, the first failure last; LabError if there is no Asterisk or SIPp to test with."""
    print(f"{find_asterisk(ASTERISK_HOME).program.version}, {find_sipp(ASTERISK_HOME).version}", flush=True)
    for name, words in _STEPS:
        print(f"-- {name}", flush=True)
        extra = arguments if name == "tests" else []
        if subprocess.run([sys.executable, *words, *extra], cwd=PROJECT, check=False).returncode != 0:
            print(f"{name} failed", flush=True)
            return False
    return True
