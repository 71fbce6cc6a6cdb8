"""A container that stands for a machine with Debian, where an administrator installs the package."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import process, release
from lab.phone import Phone
from tests.containers.office import CARRIER_PORT, PBX_PORT, WANTED

# Its owner, mode and content of each file, and where links lead.
SNAPSHOT = (
    "cd /etc/asterisk && find . ! -type l -printf '%p %U:%G %m %y\\n' | sort && find . -type f -print0 | sort -z |"
    " xargs -0 sha256sum && find . -type l -printf '%p %l\\n' | sort"
)


@dataclass(frozen=True)
class Machine:
    """By the container's name. Commands are root's."""

    name: str

    def do(self, command: str) -> str:
        """A command of the shell; what it printed, on both. AssertionError if it failed."""
        ran = self.tried(command)
        assert ran.returncode == 0, ran.stdout[-2000:]
        return ran.stdout

    def tried(self, command: str) -> subprocess.CompletedProcess[str]:
        """The same, whether it failed or not."""
        return subprocess.run(
            ["docker", "exec", self.name, "sh", "-c", command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip

    def beside(self, command: str) -> None:
        """A command that goes on in the background."""
        subprocess.run(["docker", "exec", "-d", self.name, "sh", "-c", command], check=True)

    def boots(self) -> None:
        """Wait until systemd has started everything. Some units of a machine cannot start in a container."""
        ends = ("running\n", "degraded\n")
        assert process.waited(lambda: self.tried("systemctl is-system-running").stdout in ends, 60, 0.5)

    def boots_again(self) -> None:
        """It is shut down and started."""
        subprocess.run(["docker", "restart", "-t", "60", self.name], capture_output=True, check=True)

    def inspected(self, part: str) -> str:
        """A part of what Docker knows of it."""
        command = ["docker", "inspect", "-f", f"{{{{{part}}}}}", self.name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    @property
    def address(self) -> str:
        """Its address, as the host sees it."""
        return self.inspected(".NetworkSettings.IPAddress")

    @property
    def gateway(self) -> str:
        """The host's address, as the machine sees it."""
        return self.inspected(".NetworkSettings.Gateway")

    def wanted(self) -> str:
        """The options of `connector setup` for a company whose PBX and carrier are on the host."""
        words = [f"{self.gateway}:{CARRIER_PORT}" if word.startswith("198.") else word for word in WANTED]
        return f"{' '.join(words)} --sip-host {self.address}"

    def wrong(self) -> list[dict[str, str]]:
        """What doctor calls wrong, as root."""
        found = json.loads(self.tried("connector doctor --json").stdout)
        return [each for each in found if each["state"] == "wrong"]

    def packages(self, folder: Path, times: int = 1) -> list[str]:
        """The package of what is here now, built so often: the paths in it. `folder` is for scratch."""
        tree, when = release.source(folder, _what_is_here())
        subprocess.run(["docker", "cp", str(tree), f"{self.name}:/source"], check=True, capture_output=True)
        built = f"SOURCE_DATE_EPOCH={when} python3 /source/packaging/deb.py"
        return [self.do(f"{built} /out{number}").strip() for number in range(times)]


@contextmanager
def started(name: str, image: str, options: Sequence[str] = (), command: Sequence[str] = ()) -> Iterator[Machine]:
    """A machine of an image, until the block ends."""
    _remove(name)
    usual = ("--ulimit", "nofile=16000:16000")
    words = ["docker", "run", "-d", "--name", name, *usual, *options, image, *(command or ("sleep", "infinity"))]
    subprocess.run(words, check=True, capture_output=True)
    try:
        yield Machine(name)
    finally:
        _remove(name)


@contextmanager
def phones(machine: Machine, username: str, password: str) -> Iterator[tuple[Phone, Phone]]:
    """The PBX and the carrier, on the host, as phones that do what a test says. The PBX is registered."""
    addresses = {"here": machine.gateway, "there": machine.address}
    pbx = Phone(5060, username, password, PBX_PORT, **addresses)
    carrier = Phone(5060, "carrier", "", CARRIER_PORT, **addresses)
    try:
        assert process.waited(lambda: username in machine.do("asterisk -rx 'pjsip show endpoints'"), 15)
        assert pbx.register().status == 200
        yield pbx, carrier
    finally:
        pbx.close()
        carrier.close()


def _remove(name: str) -> None:
    subprocess.run(["docker", "rm", "-f", "-v", name], capture_output=True, check=False)


def _what_is_here() -> str:
    """A commit of the files as they are, which changes no branch; the last one if nothing was changed."""
    made = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "stash", "create"], capture_output=True, text=True, check=True
    )
    return made.stdout.strip() or "HEAD"
