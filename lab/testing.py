"""`make test`: style, types, and every test, in one go with one answer. `make unit`: tests that need no Asterisk."""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab import memory, process
from lab.containers import compose_command
from lab.errors import LabError
from lab.instance import PROJECT
from lab.root import find_asterisk, find_sipp
from lab.run import ASTERISK_HOME, VAR

_STEPS = (
    ("style", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
)
_TYPES = ["-m", "mypy"]
# Runs only while a processor has nothing else to do (SCHED_IDLE): what just computes takes nothing from what is timed.
_WHEN_IDLE = ("chrt", "--idle", "0")
_COMPUTING = (
    "tests/core",
    "tests/lab/test_catalogue.py",
    "tests/lab/test_sim.py",
    "tests/web/test_api.py",
    "tests/web/test_brand.py",
    "tests/web/test_call_page.py",
    "tests/web/test_cards.py",
    "tests/web/test_deleting.py",
    "tests/web/test_document.py",
    "tests/web/test_filters.py",
    "tests/web/test_hooks.py",
    "tests/web/test_house.py",
    "tests/web/test_invoices.py",
    "tests/web/test_languages.py",
    "tests/web/test_mailboxes.py",
    "tests/web/test_oidc.py",
    "tests/web/test_routing.py",
    "tests/web/test_site.py",
    "tests/web/test_words_of_pages.py",
)
# What runs beside the rest, a pytest each with ports of its own: tests on the wire, which wait more than they compute.
_BESIDE = {
    "11660": (
        "tests/lab/test_figures.py",
        "tests/lab/test_release.py",
        "tests/lab/test_run.py",
        "tests/lab/test_soak.py",
        "tests/sipp/test_fastagi.py",
        "tests/sipp/test_foreign_pbx.py",
        "tests/sipp/test_freepbx.py",
        "tests/sipp/test_money.py",
        "tests/sipp/test_moving.py",
    ),
    "12660": (
        "tests/sipp/test_chaos.py",
        "tests/sipp/test_config.py",
        "tests/sipp/test_costs.py",
        "tests/sipp/test_dropin.py",
        "tests/sipp/test_routes.py",
        "tests/test_cli.py",
    ),
    "13660": (
        "tests/sipp/test_baresip.py",
        "tests/sipp/test_foreign_phones.py",
        "tests/sipp/test_hostile.py",
        "tests/sipp/test_torture.py",
        "tests/sipp/test_api_client.py",
        "tests/web",
    ),
    "14660": (
        "tests/service/test_supervisor.py",
        "tests/sipp/test_buttons.py",
        "tests/sipp/test_endings.py",
        "tests/sipp/test_subscriptions.py",
        "tests/sipp/test_manager.py",
        "tests/sipp/test_speed.py",
        "tests/sipp/test_trunks.py",
    ),
}
# Of those that nothing heavy may run beside, two groups that run at once: one waits for calls, one computes.
_QUIET = {"11660": ("tests/web/test_speed.py", "tests/sipp/test_config.py")}
_NOT_BESIDE = "not alone and not quiet"
# What needs an Asterisk, besides those.
_ON_ASTERISK = ("tests/sipp", "tests/lab/test_run.py", "tests/test_cli.py")
# Of the tests that need none, those that run beside the others.
_UNIT_BESIDE = (
    "tests/web",
    "tests/lab",
    "tests/service/test_exporting.py",
    "tests/service/test_sending.py",
    "tests/test_cli_numbers.py",
)
_PYTEST = (sys.executable, "-m", "pytest")


def run(arguments: list[str]) -> bool:
    """Every step, the first failure last; LabError if there is no Asterisk or SIPp to test with."""
    print(f"{find_asterisk(ASTERISK_HOME).program.version}, {find_sipp(ASTERISK_HOME).version}", flush=True)
    _compile()
    for name, words in _STEPS:
        print(f"-- {name}", flush=True)
        if subprocess.run([sys.executable, *words], cwd=PROJECT, check=False).returncode != 0:
            print(f"{name} failed", flush=True)
            return False
    types = _begun("types", [*_WHEN_IDLE, sys.executable, *_TYPES])
    try:
        print("-- tests", flush=True)
        went_well = _pytest(arguments) == 0 if arguments else _all_tests()
        typed_well = types.wait() == 0
    finally:
        process.end(process.identify(types.pid))
    print(f"-- types\n{_said('types').read_text(errors='replace')}", flush=True)
    if not typed_well:
        print("types failed", flush=True)
    return went_well and typed_well


def _compile() -> None:
    """Bytecode of what changed: tests run it as other users too, who may write none."""
    for folder in ("connector", "lab"):
        compileall.compile_dir(PROJECT / folder, quiet=1, workers=0)


def containers(arguments: list[str]) -> bool:
    """What runs in containers. LabError without a Docker Engine, or for anybody but root, who makes the network."""
    compose_command()
    if os.geteuid() != 0:
        raise LabError("the containers are called from a network of their own, which root makes: run it as root")
    command = [*_PYTEST, "-v", "-p", "no:cacheprovider", *(arguments or ["tests/containers"])]
    return (
        subprocess.run(command, cwd=PROJECT, env={**os.environ, "CONNECTOR_CONTAINERS": "1"}, check=False).returncode
        == 0
    )


def unit() -> bool:
    """The tests that need no Asterisk, in two processes."""
    ignored = _ignoring(_ON_ASTERISK)
    with _scratch() as scratch:
        return _together([*ignored, *_ignoring(_UNIT_BESIDE)], {"12660": [*_UNIT_BESIDE, *ignored]}, scratch)


def _all_tests() -> bool:
    """All of them: first those that disturb nobody, several at once; then those that measure time or load, two at once
    where that changes no figure, and the rest alone. What just computes runs all the time, in the pauses of the others.
    """
    others = [path for files in _BESIDE.values() for path in files]
    apart = [path for files in _QUIET.values() for path in files]
    with _scratch() as scratch:
        computing = _begun_tests("15660", _NOT_BESIDE, [*_COMPUTING, *scratch("15660")], before=_WHEN_IDLE)
        try:
            beside = {ports: [*files, *_ignoring(_COMPUTING)] for ports, files in _BESIDE.items()}
            went_well = _together(_ignoring([*others, *_COMPUTING]), beside, scratch)
            print("-- two at once", flush=True)
            quiet = {ports: list(files) for ports, files in _QUIET.items()}
            went_well = _together(_ignoring(apart), quiet, scratch, "quiet") and went_well
            print("-- alone", flush=True)
            went_well = (_pytest(["-m", "alone"]) == 0) and went_well
            went_well = (computing.wait() == 0) and went_well
        finally:
            _show("15660", computing, _COMPUTING)
    return went_well


def _together(
    here: list[str],
    beside: dict[str, list[str]],
    scratch: Callable[[str], list[str]],
    marked: str = _NOT_BESIDE,
) -> bool:
    """Run a pytest with `here`, shown as it goes, and one for each of `beside`, by its ports, shown at the end. Of all
    of them the tests that are so `marked`.
    """
    running = {ports: _begun_tests(ports, marked, [*words, *scratch(ports)]) for ports, words in beside.items()}
    try:
        went_well = _pytest(["-m", marked, *here, *scratch("here")]) == 0
        for each in running.values():
            went_well = (each.wait() == 0) and went_well
    finally:
        for ports, each in running.items():
            _show(ports, each, beside[ports])
    return went_well


def _show(ports: str, running: subprocess.Popen[bytes], words: Sequence[str]) -> None:
    """End what ran beside others, if it has not ended, and show what it said."""
    process.end(process.identify(running.pid))
    shown = " ".join(word for word in words if not word.startswith("-"))
    print(f"-- beside: {shown}\n{_said(ports).read_text(errors='replace')}", flush=True)


def _ignoring(paths: Sequence[str]) -> list[str]:
    return [f"--ignore={path}" for path in paths]


@contextmanager
def _scratch() -> Iterator[Callable[[str], list[str]]]:
    """What tells a pytest, by its name, to keep its tests' files in memory, if there is enough. None of it is left."""
    mark = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:12]  # other copies of the project may run theirs too
    folder = memory.FOLDER / f"connector-tests-{mark}"
    enough = memory.enough()
    shutil.rmtree(folder, ignore_errors=True)
    if enough:
        folder.mkdir(mode=0o700)

    def words(name: str) -> list[str]:
        return [f"--basetemp={folder / f'{mark}-{name}'}", "-o", "tmp_path_retention_policy=failed"] if enough else []

    try:
        yield words
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _begun_tests(ports: str, marked: str, words: Sequence[str], before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    command = [*before, *_PYTEST, "-p", "no:cacheprovider", "-m", marked, *words]
    return _begun(ports, command, {"CONNECTOR_TEST_PORTS": ports})


def _begun(name: str, command: Sequence[str], env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    _said(name).unlink(missing_ok=True)
    return process.start(command, _said(name), env=env)


def _said(name: str) -> Path:
    return VAR / f"beside-{name}.log"


def _pytest(arguments: list[str]) -> int:
    return subprocess.run([*_PYTEST, *arguments], cwd=PROJECT, check=False).returncode
