"""Where Asterisk and SIPp come from: the system's own, or a private root made of Debian's packages.

The private root is only unpacked, never configured and never entered: its programs run in place through its own
dynamic loader. So neither making it nor using it needs to be root, paths are the same inside and outside, and
/etc/asterisk is never touched (docs/decisions/0003).
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

# Closes two ARI holes and the reload deadlocks of 22.9.
OLDEST_ASTERISK = (22, 10, 1)
SUITE = "forky"
PACKAGES = ("asterisk", "asterisk-core-sounds-en-gsm", "sip-tester")
ROOT_NEEDS_BYTES = 1_200_000_000

OLDEST_SIPP = (3, 7, 0)


@dataclass(frozen=True)
class Program:
    """How to start a program: the words that go before its arguments."""

    command: tuple[str, ...]
    version: str


@dataclass(frozen=True)
class Asterisk:
    """An Asterisk that can be started, with the folders its config has to name."""

    program: Program
    modules_dir: Path
    data_dir: Path
    origin: str

    def told(self, etc: Path, words: str) -> str:
        """What one that runs by the config in `etc` answers to a command. CalledProcessError if it cannot be asked."""
        command = [*self.program.command, "-C", str(etc / "asterisk.conf"), "-rx", words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def joined(self, etc: Path) -> int:
        """How many calls it has joined in a bridge: it refuses to transfer one (400) that it has only answered.
        0 also while it starts.
        """
        try:
            return len(re.findall(r"\s2\s+basic\s", self.told(etc, "bridge show all")))
        except subprocess.CalledProcessError:
            return 0

    def registrations(self, etc: Path) -> int:
        """How many of its own registrations elsewhere stand; 0 also while it starts."""
        try:
            lines = self.told(etc, "pjsip show registrations").splitlines()
        except subprocess.CalledProcessError:
            return 0
        return sum("Registered" in line.split() for line in lines)


def find_asterisk(home: Path) -> Asterisk:
    """The system's Asterisk if it is new enough, else the private root's, made first if it is not there.

    Raises LabError with one clear line if neither can be had.
    """
    return _system_asterisk() or private_asterisk(home)


def private_asterisk(home: Path) -> Asterisk:
    """That of the private root, whatever the system has. LabError as above."""
    return _root_asterisk(make_root(home))


def find_sipp(home: Path) -> Program:
    """The system's SIPp if it is new enough (Debian 12 has 3.6.1, which lacks RTP options), else the private root's."""
    found = new_enough("sipp", "-v", OLDEST_SIPP)
    if found:
        return Program((str(found),), _first_line((str(found), "-v")))
    return _root_program(make_root(home), "sipp", "usr/bin/sipp", "-v")


def new_enough(name: str, word: str, oldest: tuple[int, ...]) -> Path | None:
    """The system's program of a name if it is new enough, by the first version that it prints with a word; else None,
    and if there is one it is said why it is not used.
    """
    found = shutil.which(name)
    if found is None:
        return None
    ran = subprocess.run((found, word), capture_output=True, text=True, errors="replace", check=False, timeout=30)
    version = any_version_of(ran.stdout + ran.stderr)
    if version >= oldest:
        return Path(found)
    said = ".".join(map(str, version)) or "one that says no version"
    print(f"not using {found}, {said}: {'.'.join(map(str, oldest))} or later is needed", flush=True)
    return None


def any_version_of(text: str) -> tuple[int, ...]:
    """` SIPp v3.6.1-TLS` -> (3, 6, 1); `postgres (PostgreSQL) 15.14` -> (15, 14); () if there is none."""
    found = re.search(r"(?<![\w.])v?(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def version_of(banner: str) -> tuple[int, ...]:
    """`Asterisk 22.10.1~dfsg+...` -> (22, 10, 1); () if it is no version."""
    found = re.search(r"Asterisk (\d+)\.(\d+)\.(\d+)", banner)
    return tuple(int(part) for part in found.groups()) if found else ()


def make_root(home: Path) -> Path:
    """The private root under `home`, unpacked if it is not there yet; about 20 s and 300 MB.

    It is made beside its place and renamed into it when whole: a half-made one is never used and is swept by the
    next try.
    """
    root = home / "root"
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)  # tests run Asterisk as another user too
    if root.is_dir():
        return root
    with _locked(home / "lock"):
        if root.is_dir():  # somebody else made it while we waited
            return root
        for left in home.glob("half-made-*"):
            shutil.rmtree(left)
        free = shutil.disk_usage(home).free
        if free < ROOT_NEEDS_BYTES:
            raise LabError(
                f"no disk: a private Asterisk needs {ROOT_NEEDS_BYTES // 10**6} MB in {home}, "
                f"{free // 10**6} MB are free"
            )
        mmdebstrap = find_mmdebstrap()
        half_made = home / f"half-made-{os.getpid()}"
        try:
            _unpack(mmdebstrap, half_made, home / "root.log")
            half_made.rename(root)
        finally:
            shutil.rmtree(half_made, ignore_errors=True)
    return root


def find_mmdebstrap() -> str:
    """Debian's program that unpacks packages, installed if it is missing. LabError if it cannot be had."""
    found = shutil.which("mmdebstrap")
    if found:
        return found
    if os.geteuid() != 0:
        raise LabError(
            "no Asterisk 22.10.1 here, and no mmdebstrap to unpack one: ask root for 'apt-get install mmdebstrap'"
        )
    print("  installing mmdebstrap (Debian's package), which unpacks a private Asterisk", flush=True)
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "mmdebstrap"]):
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise LabError(f"mmdebstrap is missing and apt-get cannot be run: {error}") from error
        if ran.returncode != 0:
            raise LabError(f"'{' '.join(command)}' failed: {_last_error(ran.stderr)}")
    return shutil.which("mmdebstrap") or "mmdebstrap"


def _unpack(mmdebstrap: str, target: Path, log: Path) -> None:
    options = ["--variant=extract", "--mode=chrootless", '--aptopt=APT::Install-Recommends "false"']
    command = [mmdebstrap, *options, f"--include={','.join(PACKAGES)}", SUITE, str(target)]
    if _watched(command, log) == 0:
        return
    said = log.read_text(errors="replace")
    if "is expired" in said:
        print("  warning: this Debian mirror's Release file is past its date; taking it as it is", flush=True)
        shutil.rmtree(target, ignore_errors=True)
        command.insert(1, '--aptopt=Acquire::Check-Valid-Until "false"')
        if _watched(command, log) == 0:
            return
        said = log.read_text(errors="replace")
    raise LabError(f"cannot unpack Asterisk from Debian's packages: {_last_error(said)} (see {log})")


def _watched(command: list[str], log: Path) -> int:
    """Run `command` into `log`, telling every few seconds how far it is."""
    with log.open("w") as out:
        started = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            while True:
                try:
                    return child.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    step = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("I: ")]
                    now = step[-1][3:].rstrip(".") if step else "starting"
                    print(f"  unpacking Asterisk and SIPp: {now} ({time.monotonic() - started:.0f} s)", flush=True)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()


def _last_error(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("E: ")]
    return (errors or lines or ["it said nothing"])[0]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _first_line(command: tuple[str, ...]) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next((line.strip() for line in ran.stdout.splitlines() if line.strip()), "")


def _system_asterisk() -> Asterisk | None:
    found = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if not found:
        return None
    banner = _first_line((found, "-V"))
    if version_of(banner) < OLDEST_ASTERISK:
        return None
    modules = list(Path("/usr").glob("lib*/**/asterisk/modules/app_stasis.so"))
    data = [path for path in (Path("/usr/share/asterisk"), Path("/var/lib/asterisk")) if (path / "rest-api").is_dir()]
    if not modules or not data:
        return None
    return Asterisk(Program((found,), banner), modules[0].parent, data[0], "system")


def _root_asterisk(root: Path) -> Asterisk:
    program = _root_program(root, "asterisk", "usr/sbin/asterisk", "-V")
    modules = next((root / "usr/lib").glob("*/asterisk/modules"))
    sounds = root / "usr/share/asterisk/sounds"
    if not (sounds / "en").exists():  # its package makes this link when it is installed, which a root is not
        with suppress(FileExistsError):
            (sounds / "en").symlink_to("en_US_f_Allison")
    return Asterisk(program, modules, root / "usr/share/asterisk", "private root")


def _root_program(root: Path, name: str, path: str, version_flag: str) -> Program:
    """A program of the root, started by the root's own loader.

    The loader is called by a link that has the program's name, so that `ps` shows that name.
    """
    loaders = sorted((root / "usr/lib").glob("*/ld-linux*.so.*"))
    if not loaders:
        raise LabError(f"{root} is not whole (no dynamic loader in it): remove it and try again")
    link = root / "run-by-loader" / name
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(loaders[0])
    libraries = loaders[0].parent
    command = (str(link), "--argv0", name, "--library-path", str(libraries), str(root / path))
    version = _first_line((*command, version_flag))
    if not version:
        raise LabError(f"{root / path} does not start: remove {root} and try again")
    return Program(command, version)
