"""The Debian package, built and installed on the Debian that has Asterisk 22, beside Debian's own asterisk, where no
systemd runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connector import __version__
from lab import containers, process
from tests.containers.machine import SNAPSHOT, Machine, phones, started
from tests.containers.office import calls_both_ways, talking

START = "update-rc.d asterisk-connector defaults && service asterisk-connector start"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """With Debian's asterisk."""
    containers.compose_command()
    containers.make_base()
    # Its first process does what init does for processes whose parent has ended.
    with started("connectortest-debian", containers.BASE, ["--init"]) as found:
        found.do("apt-get update && apt-get install -y --no-install-recommends asterisk python3-venv procps logrotate")
        # Debian lets no package start anything where it sees no init, unless this says so.
        found.do("printf '#!/bin/sh\\nexit 0\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d")
        yield found


@pytest.fixture(scope="module")
def packages(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The package built from what is here now, twice."""
    return machine.packages(tmp_path_factory.mktemp("source"), 2)


@pytest.fixture(scope="module")
def secrets() -> dict[str, str]:
    """What the setup shows once: it is there for the tests after it."""
    return {}


def _cdrs(machine: Machine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(machine.do("connector cdr list --json"))
    return found


def test_built_twice_it_is_the_same(machine: Machine, packages: list[str]) -> None:
    """For the Python of this Debian, with its version in its name."""
    assert f"asterisk-connector_{__version__}+py3." in packages[0]
    first, second = machine.do(f"sha256sum {' '.join(packages)}").splitlines()
    assert first.split()[0] == second.split()[0]


def test_it_is_installed_beside_debians_asterisk(machine: Machine, packages: list[str]) -> None:
    """With its user, in Asterisk's group, folders and units; nothing is enabled, nothing of Asterisk's is touched."""
    before = machine.do(SNAPSHOT)
    said = machine.do(f"apt-get install -y --no-install-recommends {packages[0]}")
    assert "'connector setup' does what is needed" in said
    assert machine.do(SNAPSHOT) == before
    assert "asterisk" in machine.do("id -nG asterisk-connector").split()
    stat = machine.do("stat -c '%U:%G %a' /var/lib/asterisk-connector /etc/asterisk-connector").split("\n")
    assert stat[:2] == ["asterisk-connector:asterisk-connector 750", "root:asterisk-connector 750"]
    assert __version__ in machine.do("cd /tmp && connector --version")
    assert "profile create" in machine.do("gunzip -c /usr/share/man/man1/connector.1.gz")
    assert machine.do("find /etc/systemd/system /etc/init.d -name 'asterisk-connector*' || true") == ""
    assert machine.do("dpkg --verify asterisk-connector") == ""


def test_it_serves_and_doctor_finds_nothing_wrong(machine: Machine, secrets: dict[str, str]) -> None:
    """`connector setup`, then Asterisk and the connector by their scripts, each as its user, and a call each way."""
    machine.do("cp -a /etc/asterisk /before && mkdir -p /etc/systemd/system")
    machine.do(f"({SNAPSHOT}) > /before.txt")
    said = machine.do(f"connector setup {machine.wanted()} --json 2>&1")
    made = json.loads(said)
    assert made["done"] and not made["wrong"], said
    assert machine.do("ls /etc/systemd/system | grep -c asterisk-connector || true").strip() == "0"
    assert START in made["next"]
    assert not any("serve" in line or "systemctl" in line for line in made["next"])
    begun = "COMP_WORDS=(connector profile show ''); COMP_CWORD=3; _connector_completion connector"
    completions = "/usr/share/bash-completion/completions/connector"
    assert machine.do(f'bash -c ". {completions}; {begun}; echo \\${{COMPREPLY[*]}}"').strip() == "office"
    assert machine.do("find /var/lib/asterisk-connector -user root").strip() == ""
    machine.do("service asterisk start")
    machine.do(START)
    machine.do("service asterisk-connector start")  # a second time is harmless
    machine.do("connector trunk change carrier --qualify 0")  # its phone hears nothing between two tests
    assert process.waited(lambda: machine.wrong() == [], 30, 1), machine.wrong()
    assert machine.do("ps -o pid= -u asterisk-connector | wc -l").strip() == "3", "the supervisor and its two"
    assert "the connector runs" in machine.do("service asterisk-connector status")
    assert machine.do("ls /etc/rc2.d | grep -c 'S..asterisk-connector'").strip() == "1"
    secrets |= made["secrets"]
    with phones(machine, secrets["user name"], secrets["password"]) as (pbx, carrier):
        calls_both_ways(pbx, carrier)
        assert process.waited(lambda: [cdr["ending"] for cdr in _cdrs(machine)] == ["ok", "ok"], 15, 0.5)
    log = "/var/log/asterisk-connector"
    owners = machine.do(f"stat -c '%U %a' {log} {log}/connector.log").splitlines()
    assert owners == ["root 750", "asterisk-connector 640"]
    machine.do("logrotate -f /etc/logrotate.d/asterisk-connector")
    assert "started" in machine.do(f"zcat {log}/connector.log.1.gz")


def test_installed_again_it_keeps_everything(machine: Machine, packages: list[str], secrets: dict[str, str]) -> None:
    """As an update does: settings, store, our files in Asterisk's config, and the call that is up. The connector is
    started again.
    """
    before = machine.do(SNAPSHOT) + machine.do("sha256sum /etc/asterisk-connector/*")
    pid = machine.do("cat /run/asterisk-connector.pid")
    with phones(machine, secrets["user name"], secrets["password"]) as (pbx, carrier):
        out, _ = talking(pbx, carrier)
        machine.do(f"apt-get install -y --reinstall {packages[0]}")
        assert process.waited(lambda: machine.wrong() == [], 30, 1), machine.wrong()
        assert out.bye() == 200
        assert process.waited(lambda: [cdr["ending"] for cdr in _cdrs(machine)] == ["ok"] * 3, 15, 0.5)
    assert machine.do(SNAPSHOT) + machine.do("sha256sum /etc/asterisk-connector/*") == before
    assert machine.do("cat /run/asterisk-connector.pid") != pid
    assert "office" in machine.do("connector profile list")
    assert process.waited(lambda: machine.wrong() == [], 30, 1), machine.wrong()


def test_removed_it_leaves_asterisk_as_it_was_and_the_store(machine: Machine) -> None:
    """`connector uninstall` restores every byte, owner and mode; a purge says that the accounts stay, and leaves no
    program and no process.
    """
    machine.do("service asterisk stop")
    said = json.loads(machine.do("connector uninstall --json"))
    assert said["next"][0].endswith("; update-rc.d asterisk-connector remove")
    machine.do(said["next"][0])
    machine.do(f"({SNAPSHOT}) > /after.txt")
    assert machine.do("diff /before.txt /after.txt; diff -r /before /etc/asterisk") == ""
    said = machine.do("apt-get purge -y asterisk-connector")
    assert "/var/lib/asterisk-connector stays" in said
    assert machine.do("ls /var/lib/asterisk-connector | grep connector.db$").strip() == "connector.db"
    assert machine.do("ls /etc/rc2.d /etc/init.d | grep -c asterisk-connector || true").strip() == "0"
    assert machine.tried("ls /usr/lib/asterisk-connector").returncode != 0
    assert machine.do("ps -o pid= -u asterisk-connector || true") == ""
