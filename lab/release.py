"""`make release`: what a version is given out as, built from the last commit, with checksums and a tag.

Built again from the same commit, each file is the same byte for byte.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from packaging.markers import Marker

from connector import __version__
from lab.errors import LabError
from lab.instance import PROJECT

DIST = PROJECT / "dist"
PYTHONS, MACHINES = ("3.11", "3.12", "3.13", "3.14"), ("x86_64", "aarch64")
# The names that wheels have for the C libraries of Debian 12 and later.
_PLATFORMS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34")


def notes(text: str, version: str) -> str:
    """What the changelog says of a version. LabError if it says nothing, or no day."""
    found = re.search(rf"^## {re.escape(version)}, (.+)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    if found is None:
        raise LabError(f"CHANGELOG.md has no section '## {version}, YYYY-MM-DD'")
    try:
        datetime.date.fromisoformat(found.group(1).strip())
    except ValueError:
        raise LabError(f"CHANGELOG.md: the section of {version} has no day: '{found.group(1).strip()}'") from None
    return found.group(2).strip() + "\n"


def source(folder: Path, commit: str = "HEAD", project: Path = PROJECT) -> tuple[Path, int]:
    """The files of a commit in a folder, all with the commit's time; and that time, in seconds."""
    when = int(_run("git", "-C", str(project), "log", "-1", "--format=%ct", commit))
    packed = subprocess.run(
        ["git", "-C", str(project), "archive", "--format=tar", commit], capture_output=True, check=True
    ).stdout
    made = folder / "source"
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(made, filter="data")
    return made, when


def build(tree: Path, when: int, out: Path) -> list[Path]:
    """The sdist and the wheel of a tree, both with one time."""
    out.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(when), "PYTHONHASHSEED": "0"}
    code = f"from setuptools import build_meta as b; b.build_sdist({str(out)!r}); b.build_wheel({str(out)!r})"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tree, env=env, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise LabError(f"the package cannot be built: {ran.stderr.strip().splitlines()[-1:]}")
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    _same_times(sdist, when)
    return [sdist, wheel]


def _same_times(sdist: Path, when: int) -> None:
    """Pack it again, sorted, with one time and without a user: setuptools takes those of this machine."""
    packed = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            content = old.extractfile(member) if member.isfile() else None
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime, member.mode = when, 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, content)
    sdist.write_bytes(gzip.compress(packed.getvalue(), mtime=when))


def for_machine(lock: str, machine: str, python: str) -> str:
    """The requirements of a lock file that one kind of machine (`x86_64`, `aarch64`) installs for a Python (`3.11`),
    without markers.
    """
    known = {"platform_machine": machine, "python_version": python, "python_full_version": f"{python}.0"}
    found = []
    for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        head, _, hashes = block.partition(" \\\n")
        pin, _, marker = head.partition(" ; ")
        if not hashes or (marker and not Marker(marker).evaluate(known)):
            continue
        found.append(f"{pin} \\\n{hashes}")
    return "".join(found)


def check_wheels(lock: str) -> None:
    """LabError if what the lock names has no wheel for one of PYTHONS on one of MACHINES: users have no compiler."""
    for machine in MACHINES:
        platforms = [word for name in _PLATFORMS for word in ("--platform", f"{name}_{machine}")]
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder) / "lock.txt"
            for python in PYTHONS:
                wanted.write_text(for_machine(lock, machine, python))
                print(f"  are there wheels for Python {python} on {machine}?", flush=True)
                kind = ("--only-binary=:all:", "--python-version", python, *platforms)
                where = ("--dry-run", "--ignore-installed", "--target", folder, "--no-deps", "--require-hashes")
                _run(sys.executable, "-m", "pip", "install", "--quiet", *where, *kind, "-r", str(wanted))


def checksums(files: list[Path]) -> str:
    """What `sha256sum --check` reads."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(files))


def release() -> None:
    """Build everything into dist/, and tag the commit. LabError, and nothing is tagged, if something is missing."""
    tag = f"v{__version__}"
    if _run("git", "-C", str(PROJECT), "status", "--porcelain"):
        raise LabError("there are changes that are in no commit: a release is built from one")
    if _run("git", "-C", str(PROJECT), "tag", "--list", tag):
        raise LabError(f"there is a tag {tag} already: say another version in connector/__init__.py")
    said = notes((PROJECT / "CHANGELOG.md").read_text(), __version__)
    check_wheels((PROJECT / "requirements-service.lock").read_text())
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        tree, when = source(Path(folder))
        files = build(tree, when, DIST)
        print("  building the Debian package (half a minute)", flush=True)
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(when)}
        files.append(Path(_run("/usr/bin/python3", str(tree / "packaging" / "deb.py"), str(DIST), env=env)))
    (DIST / "SHA256SUMS").write_text(checksums(files))
    (DIST / "NOTES.md").write_text(said)
    _run("git", "-C", str(PROJECT), "tag", "--annotate", tag, "--message", f"Version {__version__}")
    for path in sorted(DIST.iterdir()):
        print(f"  {path.relative_to(PROJECT)}  {path.stat().st_size // 1024} kB")
    print(f"{tag} is tagged here: 'git push origin {tag}' gives it out")


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    """What a program printed. LabError, with the last line that it said, if it failed."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    except OSError as error:
        raise LabError(f"{command[0]}: {error.strerror}") from error
    if ran.returncode != 0:
        lines = (ran.stderr.strip() or ran.stdout.strip()).splitlines()
        raise LabError(f"{Path(command[0]).name} failed: {lines[-1] if lines else ran.returncode}")
    return ran.stdout.strip()
