"""A foreign PBX: a stock Asterisk with all its modules and their usual settings, in a folder, with one phone.

Its trunk to us is what `connector profile connect --for asterisk` prints, pasted in. Its dialplan is a small office's.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.instance import run_dir, write_private
from lab.ports import HOST, free_udp_port
from lab.root import Asterisk

EXTENSION = "201"
PASSWORD = "pbx-phone"
START_LIMIT_S = 20.0
_ASTERISK = """\
[directories]
astetcdir => {etc}
astmoddir => {modules}
astvarlibdir => {data}
astdbdir => {state}
astkeydir => {state}
astdatadir => {data}
astagidir => {state}
astspooldir => {state}
astrundir => {run}
astlogdir => {log}
astsbindir => {run}
"""
# Everything that Asterisk has, as its own sample says; it complains of what it finds no settings for, and goes on.
_MODULES = "[modules]\nautoload = yes\n"
_LOGGER = "[logfiles]\nmessages.log => notice,warning,error\n"
_PJSIP = """\
[transport-udp]
type = transport
protocol = udp
bind = {host}:{port}

[{extension}]
type = endpoint
context = from-internal
disallow = all
allow = alaw,ulaw
auth = {extension}
aors = {extension}

[{extension}]
type = auth
auth_type = userpass
username = {extension}
password = {password}

[{extension}]
type = aor
max_contacts = 1
remove_existing = yes

"""
_EXTENSIONS = """\
[from-internal]
exten => _+X.,1,Dial(PJSIP/${{EXTEN}}@connect-{username},30)
 same => n,Hangup(${{HANGUPCAUSE}})

[from-trunk]
exten => {sent_on},1,Answer()
 same => n,Transfer(PJSIP/sip:{to}@{host}:{sip})
 same => n,Hangup()
exten => _+X.,1,Dial(PJSIP/{extension},30)
 same => n,Hangup(${{HANGUPCAUSE}})

[from-connect-{username}]
{called}
"""


@dataclass
class StockPbx:
    """One that runs. `port`: where its phone registers, as `EXTENSION` with `PASSWORD`."""

    port: int
    etc: Path
    asterisk: Asterisk

    def told(self, words: str) -> str:
        """What it answers to a command; "" while it cannot be asked."""
        try:
            return self.asterisk.told(self.etc, words)
        except subprocess.CalledProcessError:
            return ""

    def talks(self) -> bool:
        """Whether it has joined the two legs of a call."""
        return self.asterisk.joined(self.etc) > 0

    def registered(self) -> bool:
        """Whether it is registered with us."""
        return self.asterisk.registrations(self.etc) == 1


@contextmanager
def running(
    asterisk: Asterisk, folder: Path, trunk: str, username: str, sip: int, *, sent_on: str, to: str
) -> Iterator[StockPbx]:
    """The PBX of a profile, by the text that the profile's owner pastes; ended afterwards.

    Who calls the number `sent_on` it answers, and transfers to the number `to` (REFER).
    """
    port = free_udp_port()
    # The lines of the dialplan stand in the text as comments, to be pasted elsewhere.
    lines = [line.removeprefix(";").strip() for line in trunk.splitlines() if line.startswith(";   ")]
    called = "\n".join(line for line in lines if not line.startswith(("[", "exten => _+X.")))
    words = {
        "host": HOST, "port": port, "sip": sip, "extension": EXTENSION, "password": PASSWORD,
        "username": username, "sent_on": sent_on, "to": to, "called": called,
    }  # fmt: skip
    texts = {"pjsip.conf": _PJSIP.format(**words) + trunk, "extensions.conf": _EXTENSIONS.format(**words)}
    with started_with(asterisk, folder, texts, port) as made:
        yield made


@contextmanager
def started_with(asterisk: Asterisk, folder: Path, texts: Mapping[str, str], port: int) -> Iterator[StockPbx]:
    """A stock Asterisk with these files of config, whose phones register at `port`; ended afterwards."""
    etc, log, state, run = folder / "etc", folder / "log", folder / "state", run_dir(folder)
    for each in (etc, log, state):
        each.mkdir(parents=True, exist_ok=True)
    words = {
        "etc": etc, "log": log, "state": state, "run": run, "modules": asterisk.modules_dir, "data": asterisk.data_dir,
    }  # fmt: skip
    usual = {"asterisk.conf": _ASTERISK.format(**words), "modules.conf": _MODULES, "logger.conf": _LOGGER}
    for name, text in {**usual, **texts}.items():
        write_private(etc / name, text)
    started = process.start([*asterisk.program.command, "-f", "-C", str(etc / "asterisk.conf")], log / "said.log")
    made = StockPbx(port, etc, asterisk)
    try:
        if not process.waited(lambda: "fully booted" in made.told("core waitfullybooted").lower(), START_LIMIT_S, 0.2):
            raise LabError(f"the stock Asterisk did not start within {START_LIMIT_S:.0f} s: see {log}")
        yield made
    finally:
        process.end(process.identify(started.pid))
        started.wait()
