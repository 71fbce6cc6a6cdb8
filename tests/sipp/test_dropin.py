"""The connector dropped into an Asterisk with Debian's stock config and an admin's own phone and dialplan in it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.asterisk import pjsip
from connector.billing import credit, numbers, profiles
from connector.clock import SystemClock
from connector.core import connect
from connector.core.money import MICROS
from connector.core.sip import Options
from lab import process
from lab.far_end import NUMBERS
from lab.instance import remove
from lab.load import Bench
from lab.ports import HOST, Ports, free_udp_port
from lab.run import ASTERISK_HOME, endpoint_state
from tests.conftest import free_base

NOW = SystemClock().now_ms()
PHONE = """
[transport-mine]
type = transport
protocol = udp
bind = {host}:{sip}

[my-phone]
type = endpoint
context = my-phones
disallow = all
allow = alaw,ulaw
direct_media = no
identify_by = ip

[my-phone]
type = identify
endpoint = my-phone
match = {host}:{phone}
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


class Stock:
    """A copy of the stock config, made an admin's own, and the Asterisk and connector that run with it."""

    def __init__(self, bench: Bench, folder: Path, ports: Ports) -> None:
        self.bench = bench
        self.folder = folder
        self.etc = folder / "etc"
        self.ports = ports
        self.phone = free_udp_port()
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        system = Path("/etc/asterisk")
        shutil.copytree(system if (system / "pjsip.conf").exists() else ASTERISK_HOME / "root/etc/asterisk", self.etc)
        for name in ("state", "run", "log"):
            (folder / name).mkdir(parents=True)
        (folder / "log" / "cel-custom").mkdir()
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
            "[directories]\n" + "".join(f"{name} => {place}\n" for name, place in places.items())
        )
        self.append("pjsip.conf", PHONE.format(host=HOST, sip=ports.sip, phone=self.phone))
        self.append("extensions.conf", DIALPLAN)  # whose last line has no end: it is to come out as it went in
        self.put("http.conf", "[general]\n", f"[general]\nbindport={ports.ari}\n")
        self.put("manager.conf", "port = 5038", f"port = {ports.ami}")
        # Channel drivers that would take ports of their own.
        noload = ("chan_iax2", "chan_unistim", "chan_ooh323", "pbx_dundi", "chan_mgcp", "chan_skinny", "chan_motif")
        self.put("modules.conf", "[modules]\n", "[modules]\n" + "".join(f"noload => {name}.so\n" for name in noload))

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

    def start_asterisk(self) -> None:
        """Start it, and wait until it takes calls."""
        command = [*self.bench.instance.asterisk.program.command, "-f", "-C", str(self.etc / "asterisk.conf")]
        self._start("asterisk", command)
        messages = self.folder / "log" / "messages.log"
        assert process.waited(lambda: self.calls_by_hand() == 1, 60, 0.5), messages.read_text()[-2000:]

    def start_connector(self) -> None:
        """Start it, and wait until it decides calls."""
        self._start("connector", [sys.executable, "-m", "connector", "--config", str(self.settings), "serve"])
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
        return self.folder / "connector.toml"

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

    def _call(self, number: str) -> int:
        row = ("+442079460300", "", number)
        run = self.bench.sipp("both-ways/network.xml", row, self.ports.sip, port=self.phone, tolerant=True)
        started = run.start()
        process.waited(lambda: started.child.poll() is not None, 8, patience=1)
        return started.end().counts.get("answered", 0)


def answers(url: str) -> bool:
    """Whether a web server says 200."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def stock(bench: Bench) -> Iterator[Stock]:
    """The stock config, with an admin's additions."""
    folder = Path(f"/tmp/connector-stock-{free_udp_port()}")
    made = Stock(bench, folder, Ports.from_base(free_base(20)))
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
    before = stock.bytes()
    words = ("--asterisk-conf", str(stock.etc))
    more = ("--settings", str(stock.settings), "--sip-host", HOST)
    shown = stock.connector("install", *words, *more, "--dry-run")
    assert "#tryinclude connector/extensions.conf" in shown
    assert stock.bytes() == before
    assert not stock.settings.exists()
    assert process.waited(lambda: endpoint_state(bench.instance, pasted.username) is not None, 15)
    stock.start_asterisk()
    assert process.waited(lambda: endpoint_state(bench.instance, pasted.username) == "online", 30, 0.2)
    assert process.waited(lambda: stock.calls_by_pasted_trunk() == 1, 20)
    stock.connector("install", *words, *more)
    for name, was in before.items():
        assert stock.bytes()[name].startswith(was), name  # nothing of theirs is rewritten
    assert stock.calls_by_hand() == 1
    stock.end("asterisk")
    ours = stock.settings.read_text().replace("/var/lib/asterisk-connector", str(stock.folder / "store"))
    stock.settings.write_text(f"{ours}port = {stock.ports.web}\n\n[fastagi]\nport = {stock.ports.fastagi}\n")
    stock.start_asterisk()
    stock.start_connector()
    number = "+442079460350"
    issued = bench.in_store(lambda: provider_profile("dropped in", number))
    assert process.waited(lambda: endpoint_state(bench.instance, issued.username) is not None, 15)
    stock.connector("company", "create", "Admin Ltd", "--currency", "GBP", "--time-zone", "Europe/London")
    stock.connector("company", "topup", "1000")
    stock.connector("rates", "load", str(Path("connector/billing/sample-rates.csv").absolute()))
    where = ("--address", HOST, "--port", str(bench.instance.ports.sip), "--username", issued.username)
    created = stock.connector(
        "profile",
        "create",
        "line",
        "--role",
        "client",
        *where,
        "--channels",
        "2",
        "--json",
        told=issued.password + "\n",
    )
    stock.connector("credit", "add", "line", "10")
    username = json.loads(created)["username"]
    stock.put("extensions.conf", "${MY_PROFILE}", username)
    edited = stock.bytes()["extensions.conf"]
    generated = stock.etc / "connector" / "generated" / pjsip.FILE_NAME
    assert process.waited(lambda: generated.exists() and username in generated.read_text(), 15)
    stock.end("asterisk")  # amid its loading what was generated: that is tried again
    stock.start_asterisk()
    assert process.waited(lambda: endpoint_state(bench.instance, issued.username) == "online", 90, 0.2)
    assert process.waited(lambda: stock.calls_by_connector() == 1, 20)
    assert stock.calls_by_hand() == 1
    (cdr, *_) = json.loads(stock.connector("cdr", "list", "--json"))
    assert (cdr["profile"], cdr["ending"], cdr["direction"]) == ("line", "ok", "out")
    assert json.loads(stock.connector("config", "plan", "--json"))["changes"] == []
    stock.end("connector")
    stock.connector("uninstall", *words)
    after = stock.bytes()
    assert edited.startswith(after["extensions.conf"])
    assert {**after, "extensions.conf": b""} == {**before, "extensions.conf": b""}
    stock.end("asterisk")
    stock.start_asterisk()
    assert stock.calls_by_hand() == 1


def provider_profile(name: str, number: str) -> profiles.Credentials:
    """What the provider issues."""
    made = profiles.create_profile(name, 2, "asterisk", NOW)
    credit.add(name, 10 * MICROS, name, NOW)
    numbers.add(number, name, NOW)
    return made
