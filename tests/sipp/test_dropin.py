"""The connector installed into an Asterisk that an admin runs: with Debian's config, and with FreePBX's.

Asterisk and the connector run as users of their own, and the admin's phone, dialplan and calls are there before.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.asterisk import accounts, pjsip
from connector.asterisk.accounts import Account
from connector.billing import credit, numbers, profiles
from connector.clock import SystemClock
from connector.core import connect
from connector.core.money import MICROS
from connector.core.sip import Options
from lab import freepbx, process, sipp
from lab.far_end import NUMBERS
from lab.instance import remove
from lab.load import Bench
from lab.ports import HOST, Ports, free_udp_port
from lab.run import ASTERISK_HOME, endpoint_state
from lab.users import as_user
from tests.conftest import free_base

NOW = SystemClock().now_ms()

TRANSPORT = """
[transport-mine]
type = transport
protocol = udp
bind = {host}:{sip}
"""
PHONE = """
[my-phone]
type = endpoint
context = {context}
disallow = all
allow = alaw,ulaw
direct_media = no
identify_by = ip

[my-phone]
type = identify
endpoint = my-phone
match = {host}:{phone}
match = {host}:{other}
"""
DIALPLAN = """
[my-phones]
exten => +15550100,1,Answer()
 same => n,Echo()
exten => _+1212X.,1,Dial(PJSIP/${EXTEN}@MY_TRUNK)
exten => _+44X.,1,Set(__CONNECTOR_PROFILE=${MY_PROFILE})
 same => n,Goto(connector-from-profile,${EXTEN},1)

[from-connector]
exten => _+X.,1,Answer()
 same => n,Echo()"""
# What FreePBX's admin has in extensions_custom.conf: calls to and from the connector, by contexts of FreePBX's own.
CUSTOM = """\
[from-internal-custom]
exten => +15550100,1,Answer()
 same => n,Echo()
"""
# Channel drivers that would take ports of their own.
NOT_LOADED = ("chan_iax2", "chan_unistim", "chan_ooh323", "pbx_dundi", "chan_mgcp", "chan_skinny", "chan_motif")


class Stock:
    """A copy of Debian's config, made an admin's own, and the Asterisk and connector that run with it, each as a user
    of its own, as they do where they are installed. Every Debian has these two, in one group.
    """

    number = "+442079460350"
    runs_as, mode = "nobody", 0o640

    def __init__(self, bench: Bench, folder: Path, ports: Ports) -> None:
        self.asterisk, self.ours = user(self.runs_as), user("sync")
        self.bench = bench
        self.folder = folder
        self.etc = folder / "etc"
        self.ports = ports
        self.phone, self.other = free_udp_port(), free_udp_port()
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self._set_up: tuple[str, ...] = ()
        self.paste = ""
        system = Path("/etc/asterisk")
        shutil.copytree(system if (system / "pjsip.conf").exists() else ASTERISK_HOME / "root/etc/asterisk", self.etc)
        for name in ("state", "run", "log"):
            (folder / name).mkdir(parents=True)
        asterisk = bench.instance.asterisk
        places = {
            "astetcdir": self.etc,
            "astmoddir": asterisk.modules_dir,
            "astvarlibdir": asterisk.data_dir,
            "astdatadir": asterisk.data_dir,
            "astdbdir": folder / "state",
            "astkeydir": folder / "state",
            "astspooldir": folder / "state",
            "astagidir": folder / "state",
            "astrundir": folder / "run",
            "astlogdir": folder / "log",
        }
        (self.etc / "asterisk.conf").write_text(
            "[directories]\n"
            + "".join(f"{name} => {place}\n" for name, place in places.items())
            + "[options]\nmaxfiles = 4000\n"
        )
        self.lay_out()
        self.put(
            "modules.conf", "[modules]\n", "[modules]\n" + "".join(f"noload => {name}.so\n" for name in NOT_LOADED)
        )
        if os.geteuid() == 0:
            folder.chmod(0o755)
            for path in (self.etc, *self.etc.rglob("*"), *(folder / name for name in ("state", "run", "log"))):
                os.chown(path, self.asterisk.uid, self.asterisk.gid)
                path.chmod(0o755 if path.is_dir() else self.mode)

    def lay_out(self) -> None:
        """Make the copy the admin's own."""
        self.append("pjsip.conf", TRANSPORT.format(host=HOST, sip=self.ports.sip) + self.phone_config("my-phones"))
        self.append("extensions.conf", DIALPLAN)  # whose last line has no end: it is to come out as it went in
        self.put("http.conf", "[general]\n", f"[general]\nbindport={self.ports.ari}\n")
        self.put("manager.conf", "port = 5038", f"port = {self.ports.ami}")

    def phone_config(self, context: str) -> str:
        """The admin's phone, known by its two ports."""
        return PHONE.format(host=HOST, phone=self.phone, other=self.other, context=context)

    @property
    def conf(self) -> tuple[str, ...]:
        """The words that name Asterisk's config."""
        return ("--asterisk-conf", str(self.etc))

    @property
    def places(self) -> tuple[str, ...]:
        """The words that name everything of ours."""
        return (*self.conf, "--settings", str(self.settings), "--store", str(self.folder / "store"))

    @property
    def machine(self) -> tuple[str, ...]:
        """The words that name the machine, and what is not this machine's own."""
        where = ("--sip-host", HOST, "--user", self.ours.name, "--logrotate", str(self.folder / "rotated"))
        return (*where, "--units", str(self.folder / "units"))

    def install(self, *more: str) -> str:
        """`connector install`; what it says."""
        return self.connector("install", *self.places, *self.machine, *more)

    def set_up(self) -> str:
        """`connector setup` of a line without billing, whose provider is the lab; the username that the lab gave."""
        issued = self.bench.in_store(lambda: provider_profile(self.folder.name, self.number))
        assert process.waited(lambda: endpoint_state(self.bench.instance, issued.username) is not None, 15)
        self._set_up = (
            *("setup", *self.places, *self.machine, "--role", "client", "--company", "Admin Ltd", "--currency", "GBP"),
            *("--time-zone", "Europe/London", "--country", "GB", "--profile", "line", "--channels", "2"),
            *("--provider", f"{HOST}:{self.bench.instance.ports.sip}", "--username", issued.username),
            *("--password-file", "-", "--number", self.number, "--yes", "--json"),
        )
        done = json.loads(self.connector(*self._set_up, told=issued.password + "\n"))
        assert done["test"]["carried"]
        self.paste = done["connect"]
        return issued.username

    def set_up_again(self) -> list[str]:
        """What the same setup does when it is run again."""
        found: list[str] = json.loads(self.connector(*self._set_up, told="not asked again\n"))["steps"]
        return found

    def choose_ports(self) -> None:
        """Give what is installed the ports of this test."""
        text = self.settings.read_text()
        self.settings.write_text(f"{text}port = {self.ports.web}\n\n[fastagi]\nport = {self.ports.fastagi}\n")

    def gets_a_line(self) -> tuple[str, str]:
        """Make a company and a client profile whose provider is the lab; the username here, and the provider's."""
        issued = self.bench.in_store(lambda: provider_profile(self.folder.name, self.number))
        assert process.waited(lambda: endpoint_state(self.bench.instance, issued.username) is not None, 15)
        self.connector("company", "create", "Admin Ltd", "--currency", "GBP", "--time-zone", "Europe/London")
        self.connector("company", "topup", "1000")
        self.connector("rates", "load", str(Path("connector/billing/sample-rates.csv").absolute()))
        where = ("--address", HOST, "--port", str(self.bench.instance.ports.sip), "--username", issued.username)
        words = ("profile", "create", "line", "--role", "client", *where, "--channels", "2", "--json")
        created = self.connector(*words, told=issued.password + "\n")
        self.connector("credit", "add", "line", "10")
        self.connector("numbers", "add", self.number, "--profile", "line")
        username = str(json.loads(created)["username"])
        generated = self.etc / "connector" / "generated" / pjsip.FILE_NAME
        assert process.waited(lambda: generated.exists() and username in generated.read_text(), 15)
        return username, issued.username

    def has_its_line(self, issued: str) -> None:
        """Registered with the provider, by the username given there, it calls out and is called, each with its CDR."""
        assert process.waited(lambda: endpoint_state(self.bench.instance, issued) == "online", 90, 0.2)
        assert process.waited(lambda: self.calls_by_connector() == 1, 20)
        assert self.cdr() == ("line", "ok", "out")
        assert self.called() == 1
        assert self.cdr() == ("line", "ok", "in")

    def findings(self) -> dict[str, str]:
        """What `connector doctor` does not find in order, by the code of the check."""
        checks = json.loads(self.connector("doctor", "--json"))
        return {check["code"]: check["found"] for check in checks if check["state"] != "ok"}

    def cdr(self) -> tuple[str, str, str]:
        """The newest CDR: its profile, its ending and its direction."""
        (found, *_) = json.loads(self.connector("cdr", "list", "--json"))
        return found["profile"], found["ending"], found["direction"]

    def append(self, name: str, text: str) -> None:
        """More at the end of one of their files."""
        path = self.etc / name
        path.write_text(path.read_text() + text)

    def put(self, name: str, old: str, new: str) -> None:
        """Change one of their files, as its admin."""
        path = self.etc / name
        text = path.read_text()
        assert old in text, name
        path.write_text(text.replace(old, new, 1))

    def bytes(self) -> dict[str, bytes]:
        """Every file of the config."""
        return {str(path.relative_to(self.etc)): path.read_bytes() for path in self.etc.rglob("*") if path.is_file()}

    def owners(self) -> dict[str, tuple[int, int, int]]:
        """The owner, the group and the mode of everything in the config."""
        found = {str(path.relative_to(self.etc)): path.stat() for path in self.etc.rglob("*")}
        return {name: (stat.st_uid, stat.st_gid, stat.st_mode) for name, stat in found.items()}

    def is_given_by_freepbx(self) -> None:
        """As FreePBX does it when it starts."""
        if os.geteuid() == 0:
            freepbx.chown(self.etc, self.asterisk.uid, self.asterisk.gid)

    def start_asterisk(self) -> None:
        """Start it, and wait until it takes calls."""
        command = [*self.bench.instance.asterisk.program.command, "-f", "-C", str(self.etc / "asterisk.conf")]
        self._start("asterisk", as_user(self.asterisk, (), command))
        messages = self.folder / "log" / "messages.log"
        assert process.waited(lambda: self.calls_by_hand() == 1, 60, 0.5), messages.read_text()[-2000:]

    def start_connector(self) -> None:
        """Start it, and wait until it decides calls."""
        command = [sys.executable, "-m", "connector", "--config", str(self.settings), "serve"]
        self._start("connector", as_user(self.ours, (), command))
        url = f"http://{HOST}:{self.ports.web}/health"
        log = self.folder / "log" / "connector.log"
        assert process.waited(lambda: answers(url), 30, 0.2), log.read_text()[-2000:]

    def end(self, name: str) -> None:
        """End one of them."""
        part = self.parts.pop(name)
        process.end(process.identify(part.pid))
        part.wait()

    def _start(self, name: str, command: list[str]) -> None:
        self.parts[name] = process.start(command, self.folder / "log" / f"{name}.log")

    @property
    def settings(self) -> Path:
        """The connector's."""
        return self.folder / "own" / "connector.toml"

    def connector(self, *words: str, told: str = "") -> str:
        """Run the command, as the admin."""
        command = [sys.executable, "-m", "connector", "--config", str(self.settings), *words]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, input=told)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def calls_by_hand(self) -> int:
        """A call by the admin's own phone and dialplan; how many were answered."""
        return self._call("+15550100")

    def calls_by_connector(self) -> int:
        """A call that the admin's dialplan hands to the connector."""
        return self._call(NUMBERS["answered"])

    def calls_by_pasted_trunk(self) -> int:
        """A call by the trunk that was pasted from the page for PBXs."""
        return self._call(NUMBERS["answered_us"])

    def held_call(self) -> sipp.Running:
        """A call by the connector that is up, and is over some seconds later."""
        row = ("+442079460300", "", NUMBERS["answered"])
        run = self.bench.sipp("both-ways/network.xml", row, self.ports.sip, port=self.other, hold_s=8)
        started = run.start()
        assert process.waited(lambda: bool(re.search(r"[1-9][0-9]* active call", self.told("core show channels"))), 10)
        return started

    def called(self) -> int:
        """A call from the network to the line's number; how many were answered."""
        row = ("+442079460999", "", self.number)
        run = self.bench.sipp("both-ways/network.xml", row, self.bench.instance.ports.carrier, tolerant=True)
        started = run.start()
        process.waited(lambda: started.child.poll() is not None, 8, patience=1)
        return started.end().counts.get("answered", 0)

    def told(self, words: str) -> str:
        """What Asterisk's console says to a command."""
        return self.bench.instance.asterisk.told(self.etc, words)

    def _call(self, number: str) -> int:
        row = ("+442079460300", "", number)
        run = self.bench.sipp("both-ways/network.xml", row, self.ports.sip, port=self.phone, tolerant=True)
        started = run.start()
        process.waited(lambda: started.child.poll() is not None, 8, patience=1)
        return started.end().counts.get("answered", 0)


class SourceStock(Stock):
    """As `make install samples` of Asterisk's sources leaves it: it runs as root, and everybody may read its files."""

    number = "+442079460354"
    runs_as, mode = "root", 0o644


class FreePbxStock(Stock):
    """The same with FreePBX's files. The admin's phone and dialplan are in the custom files."""

    number = "+442079460352"

    def lay_out(self) -> None:
        """Put FreePBX's files in the place of Debian's."""
        outs = "OUT_1_PREFIX=Local/\nOUT_1_SUFFIX=@connector-line/n\nOUT_2_PREFIX=PJSIP/\nOUT_2_SUFFIX=@nobody"
        ports = {"port": self.ports.sip, "http_port": self.ports.ari, "ami_port": self.ports.ami}
        for name, text in freepbx.files(**ports, dids={self.number: "Answer()\n same => n,Echo()"}, outs=outs).items():
            (self.etc / name).write_text(text)
        (self.etc / "pjsip.endpoint_custom.conf").write_text(self.phone_config("from-internal"))
        (self.etc / "extensions_custom.conf").write_text(CUSTOM)


def user(name: str) -> Account:
    """A user of the system; who is not root has only themselves."""
    found = accounts.named(name) if os.geteuid() == 0 else accounts.own()
    assert found is not None
    return found


def answers(url: str) -> bool:
    """Whether a web server says 200."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def stock(bench: Bench) -> Iterator[Stock]:
    """Debian's config, with an admin's additions."""
    yield from _run(Stock, bench)


@pytest.fixture
def source_stock(bench: Bench) -> Iterator[Stock]:
    """The sample config of Asterisk's sources, with an admin's additions."""
    yield from _run(SourceStock, bench)


@pytest.fixture
def freepbx_stock(bench: Bench) -> Iterator[Stock]:
    """FreePBX's config, with an admin's additions."""
    yield from _run(FreePbxStock, bench)


def _run(kind: type[Stock], bench: Bench) -> Iterator[Stock]:
    folder = Path(f"/tmp/connector-stock-{free_udp_port()}")
    made = kind(bench, folder, Ports.from_base(free_base(20)))
    yield made
    for name in list(made.parts):
        made.end(name)
    remove(folder)


def test_an_admins_asterisk_goes_on_with_the_connector_in_it_and_without_it_again(bench: Bench, stock: Stock) -> None:
    """A dry run changes nothing; installed, the admin's own calls go on and ours work beside them; taken out, every
    file is what it was, byte for byte, and the admin's calls go on. The admin's own trunk is the page that a PBX's
    admin gets, pasted as it is.
    """
    pasted = bench.in_store(lambda: provider_profile("pasted", "+442079460351"))
    there = bench.instance.ports.sip
    page = connect.asterisk(
        connect.Connection(
            "pasted", pasted.username, pasted.realm, HOST, there, 2, (), Options(), password=pasted.password
        )
    )
    stock.append("pjsip.conf", page.replace("transport-udp", "transport-mine"))
    stock.put("extensions.conf", "MY_TRUNK", f"connect-{pasted.username}")
    before, owners = stock.bytes(), stock.owners()
    assert "#tryinclude connector/extensions.conf" in stock.install("--dry-run")
    assert stock.bytes() == before
    assert not stock.settings.exists()
    assert process.waited(lambda: endpoint_state(bench.instance, pasted.username) is not None, 15)
    stock.start_asterisk()
    assert process.waited(lambda: endpoint_state(bench.instance, pasted.username) == "online", 30, 0.2)
    assert process.waited(lambda: stock.calls_by_pasted_trunk() == 1, 20)
    stock.install()
    for name, was in before.items():
        assert stock.bytes()[name].startswith(was), name  # nothing of theirs is rewritten
    assert stock.calls_by_hand() == 1
    stock.end("asterisk")
    stock.choose_ports()
    stock.start_asterisk()
    stock.start_connector()
    username, issued = stock.gets_a_line()
    stock.put("extensions.conf", "${MY_PROFILE}", username)
    edited = stock.bytes()["extensions.conf"]
    stock.end("asterisk")  # amid its loading what was generated: that is tried again
    stock.start_asterisk()
    stock.has_its_line(issued)
    assert stock.calls_by_hand() == 1
    assert json.loads(stock.connector("config", "plan", "--json"))["changes"] == []
    assert stock.findings() == {}
    (stock.etc / "connector" / "extensions.conf").write_text("; an earlier version's\n")
    held = stock.held_call()
    assert "extensions.conf (new)" in stock.install("--update")
    stock.told("dialplan reload")
    assert stock.calls_by_connector() == 1
    assert held.wait(30).counts.get("answered") == 1
    assert stock.install("--update") == "everything is up to date\n"
    stock.end("connector")
    stock.connector("uninstall", *stock.conf)
    after = stock.bytes()
    assert stock.owners() == owners
    assert edited.startswith(after["extensions.conf"])
    assert {**after, "extensions.conf": b""} == {**before, "extensions.conf": b""}
    stock.end("asterisk")
    stock.start_asterisk()
    assert stock.calls_by_hand() == 1


def test_freepbx_and_the_connector_share_an_asterisk(bench: Bench, freepbx_stock: Stock) -> None:
    """Set up by one command, whose lines are pasted as they are, FreePBX's outbound route dials the connector as a
    custom trunk, and calls in arrive at its inbound routes; nobody has to buy anything. FreePBX gives its files their
    owners anew, and that changes nothing. An update ends no call. Taken out, its custom files are as they were, the
    empty ones among them, and Asterisk starts.
    """
    stock = freepbx_stock
    stock.is_given_by_freepbx()
    before, owners = stock.bytes(), stock.owners()
    stock.start_asterisk()
    issued = stock.set_up()
    assert stock.set_up_again() == []
    stock.end("asterisk")
    stock.choose_ports()
    stock.start_asterisk()
    stock.is_given_by_freepbx()
    stock.start_connector()
    stock.append("extensions_custom.conf", stock.paste)
    stock.told("dialplan reload")
    stock.has_its_line(issued)
    assert stock.findings() == {}
    (stock.etc / "connector" / "extensions.conf").write_text("; an earlier version's\n")
    held = stock.held_call()
    assert "extensions.conf (new)" in stock.install("--update")
    stock.told("dialplan reload")
    assert held.wait(30).counts.get("answered") == 1
    assert stock.calls_by_connector() == 1
    assert stock.findings() == {}
    stock.put("extensions_custom.conf", stock.paste, "")
    stock.end("connector")
    stock.connector("uninstall", *stock.conf)
    assert (stock.bytes(), stock.owners()) == (before, owners)
    stock.end("asterisk")
    stock.start_asterisk()
    assert stock.calls_by_hand() == 1


def test_an_asterisk_from_source_runs_as_root_and_the_connector_does_not(bench: Bench, source_stock: Stock) -> None:
    """Set up by one command, it calls out and is called; nothing of ours is open to everybody, our user is not in the
    group of root, doctor is content, an update ends no call, and taken out every file is as it was.
    """
    stock = source_stock
    before, owners = stock.bytes(), stock.owners()
    issued = stock.set_up()
    assert stock.set_up_again() == []
    stock.choose_ports()
    stock.start_asterisk()
    stock.start_connector()
    username = json.loads(stock.connector("profile", "list", "--json"))[0]["username"]
    stock.put("extensions.conf", "${MY_PROFILE}", username)
    stock.told("dialplan reload")
    stock.has_its_line(issued)
    assert stock.calls_by_hand() == 1
    assert stock.findings() == {}
    ours = {name: stat for name, stat in stock.owners().items() if name.startswith("connector")}
    assert ours
    assert [(name, f"{mode:o}") for name, (_, _, mode) in ours.items() if mode & 0o007] == []
    (stock.etc / "connector" / "extensions.conf").write_text("; an earlier version's\n")
    held = stock.held_call()
    assert "extensions.conf (new)" in stock.install("--update")
    stock.told("dialplan reload")
    assert held.wait(30).counts.get("answered") == 1
    stock.put("extensions.conf", username, "${MY_PROFILE}")
    stock.end("connector")
    stock.connector("uninstall", *stock.conf)
    assert (stock.bytes(), stock.owners()) == (before, owners)


def provider_profile(name: str, number: str) -> profiles.Credentials:
    """What the provider issues."""
    made = profiles.create_profile(name, 2, "asterisk", NOW)
    credit.add(name, 10 * MICROS, name, NOW)
    numbers.add(number, name, NOW)
    return made
