"""Lays out the folders of one lab (`var/` for `make run`, a temporary one for the tests) and starts its processes.

FOLDER/connector.toml, connector.db     the connector's
FOLDER/asterisk/{etc,log,state}         the Asterisk under test, its config from asterisk-conf/
FOLDER/far-end/{etc,log,state}          the second Asterisk: carrier and PBX, its config from lab/far-end/
FOLDER/log/*.log                        what the processes say
"""

from __future__ import annotations

import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from connector.asterisk import certificate, templates
from connector.asterisk.dropin import install as dropin
from connector.config import StoreSettings
from connector.errors import BadInput
from lab import process
from lab.errors import LabError
from lab.far_end import NUMBERS
from lab.ports import HOST, Ports
from lab.root import Asterisk

PROJECT = Path(__file__).parent.parent
# A Unix socket's path has 107 characters at most; Asterisk's is this much longer than its run folder.
_LONGEST_RUN_DIR = 107 - len("/asterisk.ctl")
# 300 calls take about 3,000 descriptors.
_WANTED_FILES = 8192


@dataclass(frozen=True)
class Secrets:
    """What the processes of one lab sign in to each other with. Made once a lab, kept in a file of mode 0600."""

    ari: str
    ami: str
    web: str
    fastagi: str = ""

    @classmethod
    def of(cls, folder: Path) -> Secrets:
        """The lab's secrets, made if this is its first time."""
        path = folder / "secrets.json"
        if path.exists():
            found = Secrets(**json.loads(path.read_text()))
            if found.fastagi:
                return found
            made = replace(found, fastagi=secrets.token_urlsafe(24))  # of a lab from before there was one
        else:
            made = Secrets(*(secrets.token_urlsafe(24) for _ in range(4)))
        write_private(path, json.dumps(made.__dict__))
        return made


@dataclass(frozen=True)
class Instance:
    """One lab: where it lives, which ports it has, which Asterisk it runs.

    Its store is a file in its folder, or a database if `store_url` names one, shared with other nodes; `others` are
    their SIP ports, whose calls the far end takes too.
    """

    folder: Path
    ports: Ports
    asterisk: Asterisk
    node: str = "lab"
    store_url: str = ""
    others: tuple[int, ...] = ()

    @property
    def secrets(self) -> Secrets:
        """What its processes sign in to each other with."""
        return Secrets.of(self.folder)

    @property
    def store(self) -> StoreSettings:
        """Where the store is."""
        return StoreSettings(url=self.store_url) if self.store_url else StoreSettings(path=self.folder / "connector.db")

    @property
    def settings_path(self) -> Path:
        """The connector's settings."""
        return self.folder / "connector.toml"

    @property
    def generated(self) -> Path:
        """The folder the connector writes pjsip config to."""
        return self.folder / "asterisk" / "etc" / "generated"

    def lay_out(self) -> None:
        """Write every config file. What the connector generated and the store stay as they are."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(self.settings_path, self._settings())
        self._certify()
        self._lay_out_asterisk("asterisk", [PROJECT / "asterisk-conf"], self.node)
        self.generated.mkdir(exist_ok=True)
        self._lay_out_asterisk("far-end", [PROJECT / "asterisk-conf", PROJECT / "lab" / "far-end"], f"{self.node}-far")

    def _certify(self) -> None:
        folder = self.folder / "tls"
        if folder.exists():
            return
        folder.mkdir(mode=0o700)
        made, key = certificate.made(HOST)
        write_private(folder / "key.pem", key)
        write_private(folder / "certificate.pem", made)

    def register_far_end(self, registrations: list[str]) -> None:
        """Have the far end's PBX register so; before it is started."""
        words = self._words(self.folder / "far-end", "far-end", "")
        path = self.folder / "far-end" / "etc" / "registrations.conf"
        write_private(path, fill("\n".join(registrations), words, path))

    def start_asterisk(self) -> subprocess.Popen[bytes]:
        """Start the Asterisk under test."""
        return self._start_asterisk("asterisk")

    def start_far_end(self) -> subprocess.Popen[bytes]:
        """Start the carrier and PBX."""
        return self._start_asterisk("far-end")

    def far_end_hangs_up(self) -> None:
        """Every call of the carrier and PBX is ended by them, one after the other: were hundreds ended at once, how
        long each talked would be a question of how busy the machine is.
        """
        for line in self._far_end_told("core show channels concise").splitlines():
            self._far_end_told(f"channel request hangup {line.partition('!')[0]}")

    def far_end_registered(self) -> int:
        """As how many PBXs the far end is registered with the Asterisk under test; 0 also while it starts."""
        return self.asterisk.registrations(self.folder / "far-end" / "etc")

    def _far_end_told(self, words: str) -> str:
        """What the carrier and PBX answers to a command."""
        return self.asterisk.told(self.folder / "far-end" / "etc", words)

    @property
    def fault_path(self) -> Path:
        """While this file is there, the connector has the fault that it names (lab/faulty.py)."""
        return self.folder / "fault"

    def start_gate(self) -> subprocess.Popen[bytes]:
        """Start the connector's gate process; the one with faults built in, if the lab is for those."""
        return self._start_part("gate", "lab.faulty" if (self.folder / "faulty").exists() else "connector.service")

    def start_control(self) -> subprocess.Popen[bytes]:
        """Start the connector's control process."""
        return self._start_part("control", "connector.service")

    def _start_part(self, part: str, module: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, "--config", str(self.settings_path), "--part", part]
        log = self.folder / "log" / "connector.log"  # of both, as a system's log has both
        return process.start(command, log, env={"CONNECTOR_FAULT": str(self.fault_path)})

    def why(self, name: str) -> str:
        """What a part said, for an error message: Asterisk's first error since it started if it told one."""
        messages = self.folder / name / "log" / "messages.log"
        told = messages.read_text(errors="replace").splitlines() if messages.exists() else []
        starts = [number for number, line in enumerate(told) if " built by " in line]
        wrong = [line for line in told[starts[-1] if starts else 0 :] if "] ERROR[" in line]
        if wrong:
            return wrong[0].partition(": ")[2]
        path = self.folder / "log" / f"{'connector' if name == 'control' else name}.log"
        said = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return said[-1].strip() if said else "it said nothing"

    def _start_asterisk(self, name: str) -> subprocess.Popen[bytes]:
        command = [*self.asterisk.program.command, "-f", "-C", str(self.folder / name / "etc" / "asterisk.conf")]
        return process.start(command, self.folder / "log" / f"{name}.log")

    def _lay_out_asterisk(self, name: str, sources: list[Path], system_name: str) -> None:
        home = self.folder / name
        etc = home / "etc"
        for folder in (etc, home / "state", home / "log" / "cel-custom", home / "log" / "cdr-custom"):
            folder.mkdir(parents=True, exist_ok=True)
        words = self._words(home, name, system_name)
        if name == "asterisk":
            (etc / "connector").mkdir(exist_ok=True)
            for file, text in dropin.own_texts("connector", HOST).items():
                write_private(etc / "connector" / file, text)
        for file, text in templates.whole_config(sources, words).items():
            write_private(etc / file, text)

    def _words(self, home: Path, name: str, system_name: str) -> dict[str, str]:
        rtp = self.ports.rtp if name == "asterisk" else self.ports.carrier_rtp
        return {
            "etc_dir": str(home / "etc"),
            "modules_dir": str(self.asterisk.modules_dir),
            "data_dir": str(self.asterisk.data_dir),
            "state_dir": str(home / "state"),
            "run_dir": str(run_dir(home)),
            "log_dir": str(home / "log"),
            "mail_command": f"cat >> {home / 'log' / 'mail.txt'}",
            "system_name": system_name,
            "max_files": str(_files_limit()),
            "user_agent": "connector",
            "realm": "asterisk",
            "sip_host": HOST,
            "bind_host": HOST,
            "sip_port": str(self.ports.sip),
            "tls_port": str(self.ports.tls),
            "tls_certificate": str(self.folder / "tls" / "certificate.pem"),
            "tls_key": str(self.folder / "tls" / "key.pem"),
            "connectors": ",".join(f"{HOST}:{port}/32" for port in (self.ports.sip, *self.others)),
            "carrier_host": HOST,
            "carrier_port": str(self.ports.carrier),
            "pbx_port": str(self.ports.pbx),
            "ari_host": HOST,
            "ari_port": str(self.ports.ari),
            "ari_user": "connector",
            "ari_password": self.secrets.ari,
            "http_enabled": "yes" if name == "asterisk" else "no",
            "ami_enabled": "yes" if name == "asterisk" else "no",
            "ami_host": HOST,
            "ami_port": str(self.ports.ami),
            "ami_user": "connector",
            "ami_password": self.secrets.ami,
            "ami_permit": "127.0.0.0/255.0.0.0",
            "transport_options": "",
            "copies_host": HOST,
            "copies_port": str(self.ports.copies),
            "rtp_start": str(rtp[0]),
            "rtp_end": str(rtp[1]),
            **NUMBERS,
        }

    def _settings(self) -> str:
        return f"""\
# The lab's settings, written by `make run`. doc: README.md
node = "{self.node}"

[store]
{f'url = "{self.store_url}"' if self.store_url else f'path = "{self.store.path}"'}

[ari]
host = "{HOST}"
port = {self.ports.ari}
user = "connector"
password = "{self.secrets.ari}"

[ami]
host = "{HOST}"
port = {self.ports.ami}
user = "connector"
password = "{self.secrets.ami}"

[sip]
host = "{HOST}"
port = {self.ports.sip}
tls_port = {self.ports.tls}
generated = "{self.generated}"
copies_port = {self.ports.copies}
tcp_transport = "connector-tcp"
tls_transport = "connector-tls"

[journal]
path = "{self.folder / "asterisk" / "log" / "cel-custom" / "connector.csv"}"
messages = "{self.folder / "asterisk" / "log" / "messages.log"}"

[voicemail]
spool = "{self.folder / "asterisk" / "state" / "spool" / "voicemail"}"

[gate]
socket = "{self.folder / "connector.sock"}"

[fastagi]
host = "{HOST}"
port = {self.ports.fastagi}
secret = "{self.secrets.fastagi}"

[web]
host = "{HOST}"
port = {self.ports.web}
token = "{self.secrets.web}"
"""


def fill(text: str, words: dict[str, str], path: Path) -> str:
    """Replace every `@word@`; LabError if one is not known. A `@` of SIP stands between other things and stays."""
    try:
        return templates.filled(text, words, str(path))
    except BadInput as error:
        raise LabError(str(error)) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read, replacing the old one at once."""
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.rename(path)


def run_dir(home: Path) -> Path:
    """Where Asterisk's control socket goes: beside the rest, or, where that path is too long, in /tmp."""
    run = home / "run"
    if len(str(run)) > _LONGEST_RUN_DIR:
        link = home / "run-dir"
        if not link.exists():
            link.write_text(tempfile.mkdtemp(prefix="connector-lab-"))
        run = Path(link.read_text())
    run.mkdir(parents=True, exist_ok=True)
    return run


def _files_limit() -> int:
    """As many descriptors as wanted, or as many as the machine lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def remove(folder: Path) -> None:
    """Remove a lab's folder, and its run folders in /tmp if it has any."""
    for link in folder.glob("*/run-dir"):
        shutil.rmtree(link.read_text(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
