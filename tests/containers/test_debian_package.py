"""The Debian package, built and installed on the Debian that has Asterisk 22, beside Debian's own asterisk."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connector import __version__
from lab import containers, process, release
from tests.containers.office import WANTED

NAME = "connectortest-debian"
# Its owner, mode and content of each file, and where links lead.
SNAPSHOT = (
    "cd /etc/asterisk && find . ! -type l -printf '%p %U:%G %m %y\\n' | sort && find . -type f -print0 | sort -z |"
    " xargs -0 sha256sum && find . -type l -printf '%p %l\\n' | sort"
)


@dataclass
class Machine:
    """A container that stands for a machine with Debian, where commands are root's."""

    package: str = ""

    def do(self, command: str) -> str:
        """A command of the shell; what it printed, on both. AssertionError if it failed."""
        ran = self.tried(command)
        assert ran.returncode == 0, ran.stdout[-2000:]
        return ran.stdout

    def tried(self, command: str) -> subprocess.CompletedProcess[str]:
        """The same, whether it failed or not."""
        return subprocess.run(
            ["docker", "exec", NAME, "sh", "-c", command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip

    def beside(self, command: str) -> None:
        """A command that goes on in the background."""
        subprocess.run(["docker", "exec", "-d", NAME, "sh", "-c", command], check=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With Debian's asterisk, and the package built from what is here now."""
    containers.compose_command()
    containers.make_base()
    subprocess.run(["docker", "rm", "-f", NAME], capture_output=True, check=False)
    start = [
        "docker",
        "run",
        "-d",
        "--name",
        NAME,
        "--ulimit",
        "nofile=8192:8192",
        containers.BASE,
        "sleep",
        "infinity",
    ]
    subprocess.run(start, check=True, capture_output=True)
    found = Machine()
    try:
        found.do("apt-get update && apt-get install -y --no-install-recommends asterisk python3-venv")
        folder = tmp_path_factory.mktemp("source")
        tree, when = release.source(folder, _what_is_here())
        subprocess.run(["docker", "cp", str(tree), f"{NAME}:/source"], check=True, capture_output=True)
        for out in ("/out", "/again"):
            found.package = found.do(f"SOURCE_DATE_EPOCH={when} python3 /source/packaging/deb.py {out}").strip()
        yield found
    finally:
        subprocess.run(["docker", "rm", "-f", NAME], capture_output=True, check=False)


def _what_is_here() -> str:
    """A commit of the files as they are, which changes no branch; the last one if nothing was changed."""
    made = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "stash", "create"], capture_output=True, text=True, check=True
    )
    return made.stdout.strip() or "HEAD"


def test_built_twice_it_is_the_same(machine: Machine) -> None:
    """For the Python of this Debian, with its version in its name."""
    assert f"asterisk-connector_{__version__}+py3." in machine.package
    first, second = machine.do("sha256sum /out/*.deb /again/*.deb").splitlines()
    assert first.split()[0] == second.split()[0]


def test_it_is_installed_beside_debians_asterisk(machine: Machine) -> None:
    """With its user, in Asterisk's group, folders and units; nothing is enabled, nothing of Asterisk's is touched."""
    before = machine.do(SNAPSHOT)
    said = machine.do(f"apt-get install -y --no-install-recommends {machine.package}")
    assert "'connector setup' does what is needed" in said
    assert machine.do(SNAPSHOT) == before
    assert "asterisk" in machine.do("id -nG asterisk-connector").split()
    stat = machine.do("stat -c '%U:%G %a' /var/lib/asterisk-connector /etc/asterisk-connector").split("\n")
    assert stat[:2] == ["asterisk-connector:asterisk-connector 750", "root:asterisk-connector 750"]
    assert __version__ in machine.do("cd /tmp && connector --version")
    assert machine.do("ls /etc/systemd/system | grep -c asterisk-connector || true").strip() == "0"
    assert machine.do("dpkg --verify asterisk-connector") == ""


def test_it_serves_and_doctor_finds_nothing_wrong(machine: Machine) -> None:
    """`connector setup`, Asterisk as its user, the connector as its own: by the program of the package."""
    machine.do("cp -a /etc/asterisk /before && mkdir -p /etc/systemd/system")
    said = machine.do(f"connector setup {' '.join(WANTED)} --json 2>&1")
    made = json.loads(said)
    assert made["done"] and not made["wrong"], said
    assert machine.do("ls /etc/systemd/system | grep -c asterisk-connector || true").strip() == "0"
    assert any("systemctl enable --now asterisk-connector-gate" in line for line in made["next"]), "the package's units"
    assert machine.do("find /var/lib/asterisk-connector -user root").strip() == ""
    machine.beside("asterisk -f -U asterisk")
    machine.beside("setpriv --reuid asterisk-connector --regid asterisk-connector --init-groups connector serve")

    def wrong() -> list[dict[str, str]]:
        """What doctor calls wrong, as root."""
        return [
            each for each in json.loads(machine.tried("connector doctor --json").stdout) if each["state"] == "wrong"
        ]

    assert process.waited(lambda: wrong() == [], 30, 1), wrong()


def test_installed_again_it_keeps_everything(machine: Machine) -> None:
    """As an update does: settings, store, and our files in Asterisk's config."""
    before = machine.do(SNAPSHOT) + machine.do("sha256sum /etc/asterisk-connector/*")
    machine.do(f"apt-get install -y --reinstall {machine.package}")
    assert machine.do(SNAPSHOT) + machine.do("sha256sum /etc/asterisk-connector/*") == before
    assert "office" in machine.do("connector profile list")


def test_removed_it_leaves_asterisk_as_it_was_and_the_store(machine: Machine) -> None:
    """`connector uninstall` restores every file; a purge says that the accounts stay, and leaves no program."""
    machine.do("connector uninstall")
    assert machine.do("diff -r /before /etc/asterisk") == ""
    said = machine.do("apt-get purge -y asterisk-connector")
    assert "/var/lib/asterisk-connector stays" in said
    assert machine.do("ls /var/lib/asterisk-connector | grep connector.db$").strip() == "connector.db"
    assert machine.tried("ls /usr/lib/asterisk-connector").returncode != 0
