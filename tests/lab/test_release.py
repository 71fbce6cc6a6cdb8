"""What a release is built of, and that it is the same each time (lab/release.py)."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from connector import __version__
from lab import release
from lab.errors import LabError
from lab.instance import PROJECT


def test_the_version_stands_in_one_place(tmp_path: Path) -> None:
    """The package takes it from connector/__init__.py."""
    assert "version =" not in (PROJECT / "pyproject.toml").read_text().partition("[project.optional")[0]
    (tmp_path / "a").mkdir()
    tree, when = release.source(tmp_path / "a")
    sdist, wheel = release.build(tree, when, tmp_path / "out")
    assert sdist.name == f"asterisk_connector-{__version__}.tar.gz"
    assert wheel.name.startswith(f"asterisk_connector-{__version__}-py3")


def test_built_twice_it_is_the_same(tmp_path: Path) -> None:
    """In other folders, at another time of day: the same bytes, and a checksum for each."""
    sums = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        tree, when = release.source(tmp_path / name)
        files = release.build(tree, when, tmp_path / name / "out")
        sums.append(release.checksums(files))
    assert sums[0] == sums[1]
    assert len(sums[0].splitlines()) == 2


def test_each_kind_of_machine_has_its_own_requirements() -> None:
    """A marker decides; what has none is for all. Hashes stay."""
    lock = (
        "# a comment\naiohttp==3.1 \\\n    --hash=sha256:aa\n    # via something\n"
        "pysqlite3==0.6 ; platform_machine == 'x86_64' and sys_platform == 'linux' \\\n    --hash=sha256:bb\n"
    )
    both, one = (
        "aiohttp==3.1 \\\n    --hash=sha256:aa\n    # via something\n",
        "pysqlite3==0.6 \\\n    --hash=sha256:bb\n",
    )
    assert release.for_machine(lock, "x86_64", "3.11") == both + one
    assert release.for_machine(lock, "aarch64", "3.12") == both
    real = (PROJECT / "requirements-service.lock").read_text()
    pins = [release.for_machine(real, machine, "3.13").count("==") for machine in release.MACHINES]
    assert pins[0] == pins[1] + 1, "all but pysqlite3"


def test_the_sdist_has_what_a_build_needs_and_nothing_of_this_machine(tmp_path: Path) -> None:
    """Units, sample rates, dialplan, migrations and pages; nobody's name and no path."""
    tree, when = release.source(tmp_path)
    sdist, wheel = release.build(tree, when, tmp_path / "out")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
        names = {member.name.partition("/")[2] for member in members}
    assert {member.uname for member in members} == {""}
    assert {member.mtime for member in members} == {when}
    within = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("connector/")}
    assert within <= names
    assert {"pyproject.toml", "LICENSE", "README.md"} <= names


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# Changes\n\n## 1.0.0, 2026-01-01\n\n- One.\n", "no section '## 1.2.0"),
        ("## 1.2.0, unreleased\n\n- One.\n", "has no day: 'unreleased'"),
    ],
)
def test_a_version_without_notes_is_not_released(text: str, told: str) -> None:
    """One line says what is missing in the changelog."""
    with pytest.raises(LabError, match=told):
        release.notes(text, "1.2.0")


def test_the_notes_are_those_of_the_version() -> None:
    """Not those of the one before."""
    text = "# Changes\n\n## 1.2.0, 2026-02-01\n\n### New\n\n- Two.\n\n## 1.1.0, 2026-01-01\n\n- One.\n"
    assert release.notes(text, "1.2.0") == "### New\n\n- Two.\n"
