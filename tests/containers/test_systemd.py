"""The Debian package on a machine that systemd starts: its units, beside Asterisk by Debian's unit, and with calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from lab import containers, process
from lab.phone import Phone
from lab.root import private_asterisk
from lab.run import ASTERISK_HOME
from tests.containers.machine import SNAPSHOT, Machine, phones, started
from tests.containers.office import calls_both_ways, talking

GATE, CONTROL = "asterisk-connector-gate", "asterisk-connector-control"
# What systemd needs to run as the first process of a container.
AS_A_MACHINE = (
    "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "-e", "container=docker", "--stop-signal",
    "SIGRTMIN+3", "--tmpfs", "/run:exec",
    "--tmpfs", "/run/lock", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "-v", f"{ASTERISK_HOME}:{ASTERISK_HOME}:ro",
)  # fmt: skip
# Debian's asterisk package, as its maintainer scripts leave it; its libraries are those of the Debian that it is of.
AN_ASTERISK = r"""
root={root}
adduser --quiet --system --group --home /var/lib/asterisk --no-create-home asterisk
cp -a $root/etc/asterisk /etc/asterisk
cp $root/usr/lib/systemd/system/asterisk.service /usr/lib/systemd/system/
printf '#!/bin/sh\nexec {command} "$@"\n' > /usr/sbin/asterisk
chmod 755 /usr/sbin/asterisk
ln -s $root/usr/lib/*/asterisk /usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo x86_64-linux-gnu)/
ln -s $root/usr/share/asterisk /usr/share/asterisk
for folder in lib log spool cache; do install -d -o asterisk -g asterisk -m 750 /var/$folder/asterisk; done
echo 'd /run/asterisk 0750 asterisk asterisk -' > /usr/lib/tmpfiles.d/asterisk.conf
systemd-tmpfiles --create /usr/lib/tmpfiles.d/asterisk.conf
chown -R asterisk:asterisk /etc/asterisk
find /etc/asterisk -type f -exec chmod 640 {{}} +
systemctl daemon-reload
"""


@dataclass(frozen=True)
class Company:
    """What the tests share: the machine, and the PBX's user name and password."""

    machine: Machine
    package: str
    username: str
    password: str

    def connector(self, *words: str) -> Any:
        """A command of `connector`, as root, which answers in JSON."""
        return json.loads(self.machine.do(f"connector {' '.join(words)} --json 2>/dev/null"))

    def phones(self) -> AbstractContextManager[tuple[Phone, Phone]]:
        """Its PBX and its carrier."""
        return phones(self.machine, self.username, self.password)

    def unit(self, name: str, word: str) -> str:
        """What systemd knows of a unit."""
        return self.machine.do(f"systemctl show --value -p {word} {name}").strip()

    def is_another(self, name: str, pid: str) -> bool:
        """Whether a unit's process is another one than that."""
        return self.unit(name, "MainPID") not in ("0", pid)

    def are_up(self) -> bool:
        """Both units, and doctor finds nothing wrong."""
        active = {self.unit(name, "ActiveState") for name in (GATE, CONTROL)}
        return active == {"active"} and self.machine.wrong() == []

    def come_up(self) -> None:
        """Wait for that."""
        assert process.waited(self.are_up, 40, 0.5), (self.machine.wrong(), self.log())

    def log(self) -> str:
        """The last lines of both units."""
        return self.machine.do(f"journalctl -n 30 --no-pager -u {GATE} -u {CONTROL}")

    def cdrs(self, count: int) -> list[dict[str, Any]]:
        """The CDRs, newest first, as soon as there are so many."""
        assert process.waited(lambda: len(self.connector("cdr", "list")) >= count, 15, 0.5), self.log()
        found: list[dict[str, Any]] = self.connector("cdr", "list")
        return found


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Debian's Asterisk started by its unit, the package installed and set up, its units started as setup says."""
    containers.compose_command()
    containers.make_systemd()
    asterisk = private_asterisk(ASTERISK_HOME)
    with started("connectortest-systemd", containers.WITH_SYSTEMD, AS_A_MACHINE, ["/sbin/init"]) as machine:
        machine.boots()
        words = {"root": ASTERISK_HOME / "root", "command": " ".join(asterisk.program.command)}
        machine.do(AN_ASTERISK.format(**words))
        machine.do(f"systemctl enable --now asterisk && ({SNAPSHOT}) > /before.txt")
        (package,) = machine.packages(tmp_path_factory.mktemp("source"))
        machine.do(f"apt-get update && apt-get install -y --no-install-recommends {package}")
        made = json.loads(machine.do(f"connector setup {machine.wanted()} --json 2>/dev/null"))
        assert made["done"] and not made["wrong"], made
        assert made["next"][1] == f"systemctl daemon-reload && systemctl enable --now {GATE}.service {CONTROL}.service"
        machine.do("systemctl restart asterisk")
        machine.do(made["next"][1])
        secrets = made["secrets"]
        found = Company(machine, package, secrets["user name"], secrets["password"])
        found.connector("trunk", "change", "carrier", "--qualify", "0")  # its phone hears nothing between two tests
        found.come_up()
        yield found


def test_both_run_as_the_connectors_user_and_may_do_little(company: Company) -> None:
    """Ready by their own word, in Asterisk's group, without a capability; the rest of the machine is read-only."""
    for name in (GATE, CONTROL):
        pid = company.unit(name, "MainPID")
        status = company.machine.do(f"cat /proc/{pid}/status")
        assert "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status
        assert company.machine.do(f"ps -o user= -p {pid}").strip() == "asterisk-connector"
        assert company.unit(name, "Type") == "notify"
        groups = company.machine.do(f"ps -o supgrp= -p {pid}").strip().split(",")
        assert "asterisk" in groups
        assert company.machine.tried(f"nsenter -t {pid} -m touch /usr/here /etc/asterisk/here").returncode != 0
    assert company.machine.do("find /var/lib/asterisk-connector -user root").strip() == ""


def test_a_call_out_and_one_in(company: Company) -> None:
    """Each has its CDR, and doctor finds nothing wrong; what it warns of is cured by what it says."""
    before = len(company.connector("cdr", "list"))
    with company.phones() as (pbx, carrier):
        calls_both_ways(pbx, carrier)
    found = company.cdrs(before + 2)
    assert [(cdr["direction"], cdr["ending"]) for cdr in found[:2]] == [("in", "ok"), ("out", "ok")]
    (warning,) = (check for check in company.connector("doctor") if check["state"] != "ok")
    assert (warning["code"], warning["state"]) == ("descriptors", "warning")  # systemd gives a service 1,024
    option = warning["advice"].partition(" in [options] of asterisk.conf")[0]
    edit = f"sed -i '/^.options./a {option}' /etc/asterisk/asterisk.conf"
    company.machine.do(f"cp -a /etc/asterisk/asterisk.conf /kept && {edit}")
    company.machine.do("systemctl restart asterisk")
    company.come_up()
    assert [check for check in company.connector("doctor") if check["state"] != "ok"] == []
    company.machine.do("cp -a /kept /etc/asterisk/asterisk.conf && systemctl restart asterisk")
    company.come_up()


def test_what_dies_or_stands_still_is_started_again_under_a_call(company: Company) -> None:
    """The gate killed, the control process stopped: systemd starts each again, and the call goes on and is recorded."""
    before = len(company.connector("cdr", "list"))
    with company.phones() as (pbx, carrier):
        out, _ = talking(pbx, carrier)
        for name, signal in ((GATE, "KILL"), (CONTROL, "STOP")):
            was = company.unit(name, "MainPID")
            company.machine.do(f"kill -{signal} {was}")
            assert process.waited(partial(company.is_another, name, was), 40, 0.5), name
            company.come_up()
        assert len(company.connector("calls")) == 1
        assert out.bye() == 200
    assert (company.cdrs(before + 1)[0]["ending"], company.connector("calls")) == ("ok", [])


def test_an_update_of_the_package_under_a_call(company: Company) -> None:
    """Both are started again by it, the call goes on, and the settings stay."""
    before, kept = len(company.connector("cdr", "list")), company.machine.do("sha256sum /etc/asterisk-connector/*")
    pids = [company.unit(name, "MainPID") for name in (GATE, CONTROL)]
    with company.phones() as (pbx, carrier):
        out, _ = talking(pbx, carrier)
        company.machine.do(f"apt-get install -y --reinstall {company.package}")
        company.come_up()
        assert not set(pids) & {company.unit(name, "MainPID") for name in (GATE, CONTROL)}
        assert len(company.connector("calls")) == 1
        assert out.bye() == 200
    assert company.cdrs(before + 1)[0]["ending"] == "ok"
    assert company.machine.do("sha256sum /etc/asterisk-connector/*") == kept


def test_the_machine_is_started_again(company: Company) -> None:
    """Asterisk and both units come up by themselves."""
    company.machine.boots_again()
    company.machine.boots()
    company.come_up()
    company.machine.do("logrotate -f /etc/logrotate.d/asterisk-connector")


def test_removed_it_leaves_asterisk_as_it_was(company: Company) -> None:
    """Every byte, owner and mode; no unit, no process and no file of the program; the store stays."""
    machine = company.machine
    machine.do(f"systemctl disable --now {GATE} {CONTROL} && systemctl stop asterisk && connector uninstall")
    machine.do(f"({SNAPSHOT}) > /after.txt")
    assert machine.do("diff /before.txt /after.txt") == ""
    machine.do("apt-get purge -y asterisk-connector")
    assert machine.do("systemctl list-unit-files 'asterisk-connector*' --no-legend || true").strip() == ""
    assert (
        machine.do("find /etc /usr -path /etc/asterisk-connector -prune -o -name '*asterisk-connector*' -print") == ""
    )
    assert machine.do("ps -o pid= -u asterisk-connector || true") == ""
    assert machine.do("ls /var/lib/asterisk-connector/connector.db") != ""
