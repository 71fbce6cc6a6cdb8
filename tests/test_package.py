"""The wheel has all that an installation needs, and runs from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from connector import __version__
from tests.asterisk.test_dropin import PLAIN, laid_out

PROJECT = Path(__file__).parent.parent
# Folders of ours with files that are not Python, and how those end.
DATA = {
    "connector": ".toml",
    "connector/asterisk/dropin": ".conf",
    "connector/billing": ".csv",
    "connector/database/migrations": ".py",
    "connector/service/units": ".service",
    "connector/web/static": "",
    "connector/web/templates": ".html",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a user builds it, from a copy: a build leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "project"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    ).stdout
    for name in names.decode().split("\0"):
        if name.startswith(("connector/", "pyproject", "README", "LICENSE")) and (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((PROJECT / name).read_bytes())
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(copy)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=300)
    (made,) = folder.glob("*.whl")
    return made


def test_it_has_every_file_that_we_have(wheel: Path) -> None:
    """Modules, dialplan, units, migrations, sample rates and settings, pages; and nothing of the tests or the lab."""
    found = set(zipfile.ZipFile(wheel).namelist())
    for folder, ending in DATA.items():
        wanted = {
            str(path.relative_to(PROJECT))
            for path in (PROJECT / folder).iterdir()
            if path.is_file() and path.name.endswith(ending)
        }
        assert wanted
        assert wanted <= found
    modules = {str(path.relative_to(PROJECT)) for path in (PROJECT / "connector").rglob("*.py")}
    assert modules <= found
    assert not any(name.startswith(("tests/", "lab/")) for name in found)
    assert any(name.endswith("licenses/LICENSE") for name in found)


def test_it_runs_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """Unpacked, without the project: it says its version, and plans a setup with the files it brought."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "unpacked")
    (tmp_path / "here").mkdir()
    etc = laid_out(tmp_path, PLAIN)

    def run(*words: str) -> str:
        """What the unpacked program prints."""
        command = [sys.executable, "-P", *words]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "unpacked")}
        ran = subprocess.run(
            command, cwd=tmp_path / "here", env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    assert run("-c", "import connector; print(connector.__file__)").startswith(str(tmp_path / "unpacked"))
    assert run("-m", "connector", "--version").startswith(f"connector {__version__}")
    where = ("--asterisk-conf", str(etc), "--settings", str(tmp_path / "c.toml"), "--store", str(tmp_path / "store"))
    wanted = (
        *("--role", "client", "--company", "A", "--currency", "EUR", "--time-zone", "UTC", "--country", "DE"),
        *("--provider", "192.0.2.10", "--channels", "2", "--number", ""),
    )
    assert "will make the company A" in run("-m", "connector", "setup", *where, *wanted, "--dry-run")
