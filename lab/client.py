"""A second connector, of role client: its Asterisk is a company's PBX, which registers with the first connector's.

Two connectors back to back are Skype Connect, whole. Each has an Asterisk and a store of its own. For each transport
there is a profile here whose provider is a profile there; a phone of the PBX (SIPp, at a port of its own) calls by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from connector.billing import credit, decks, numbers, profiles
from connector.clock import SystemClock
from connector.core.money import MICROS
from connector.core.sip import Options
from connector.routing.trunks import SignIn
from connector.storage import stores
from lab.instance import Instance, remove, write_private
from lab.load import Bench
from lab.ports import HOST, Ports
from lab.run import Supervisor, endpoint_state, health
from lab.sample import SampleProfile

COMPANY = "Branch Ltd"
TRANSPORTS = ("udp", "tcp", "tls")
CHANNELS = 10
# What an admin has by hand beside ours: the phones, and where calls in go on.
_PHONE = """\
[phone-{transport}]
type = endpoint
context = phones
identify_by = ip
transport = connector-udp
media_address = {host}
disallow = all
allow = alaw,ulaw
direct_media = no
set_var = __CONNECTOR_PROFILE={username}

[phone-{transport}]
type = identify
endpoint = phone-{transport}
match = {host}:{port}
"""
_DIALPLAN = """\
[phones]
exten => _+X.,1,Goto(connector-from-profile,${EXTEN},1)

[from-connector]
exten => _+X.,1,Answer()
 same => n,Echo()
"""


@dataclass(frozen=True)
class Line:
    """One way between the two: by `transport`, the phone's port here, both profiles' usernames, the number."""

    transport: str
    phone_port: int
    username: str
    at_provider: str
    number: str


class Client(Supervisor):
    """The client's Asterisk and connector."""

    def __init__(self, instance: Instance, server: Bench) -> None:
        super().__init__(instance)
        self.server = server
        self.lines: list[Line] = []

    def start(self) -> None:
        """Start both, and wait until every line is registered. LabError if that fails."""
        self.instance.lay_out()
        self._prepare()
        there = self.server.instance  # who comes before it is known is rejected, and tries again after minutes only
        self._wait("known", lambda: all(endpoint_state(there, line.at_provider) for line in self.lines), "connector")
        self._start("asterisk")
        self._start("connector")
        self._start("control")
        self._wait("ready", lambda: health(self.instance), "connector")
        self._wait("registered", self.registered, "connector")

    def registered(self) -> bool:
        """Whether every line's PBX is registered over there."""
        there = self.server.instance
        return all(endpoint_state(there, line.at_provider) == "online" for line in self.lines)

    def ready(self) -> bool:
        """Whether calls are decided, and every line is registered."""
        return health(self.instance) and self.registered()

    def _prepare(self) -> None:
        now, ports = SystemClock().now_ms(), self.instance.ports
        there = self.server.instance.ports
        provider: dict[str, tuple[profiles.Credentials, str]] = {}
        for number, transport in enumerate(TRANSPORTS):
            e164 = f"+44207946030{number}"
            make = partial(issue, f"branch-{transport}", transport, e164, now)
            provider[transport] = (self.server.in_store(make), e164)
        store = stores.opened(self.instance.store)
        try:
            store.migrate()
            profiles.create_company(COMPANY, "GBP", "Europe/London", now)
            credit.top_up(10_000 * MICROS, "first", now)
            decks.load(decks.SAMPLE.read_text(), decks.SAMPLE.name, now)
            for number, (transport, (issued, e164)) in enumerate(provider.items()):
                name = f"line-{transport}"
                username = profiles.create_client(
                    name,
                    CHANNELS,
                    (HOST, there.tls if transport == "tls" else there.sip),
                    now,
                    sign_in=SignIn(issued.username, issued.password),
                    options=Options(transport=transport, srtp=transport == "tls", caller_id="pai", qualify_s=0),
                )
                credit.add(name, 100 * MICROS, f"first {name}", now)
                numbers.add(e164, name, now)
                self.profiles.append(SampleProfile(name, CHANNELS, (e164,), username))
                self.lines.append(Line(transport, ports.carrier + number, username, issued.username, e164))
        finally:
            store.close()
        etc = self.instance.folder / "asterisk" / "etc"
        phones = [
            _PHONE.format(transport=line.transport, host=HOST, username=line.username, port=line.phone_port)
            for line in self.lines
        ]
        write_private(etc / "pjsip_custom.conf", "\n".join(phones))
        write_private(etc / "extensions_custom.conf", _DIALPLAN)


def issue(
    name: str, transport: str, number: str, now: int, *others: str, called_in: str = "header"
) -> profiles.Credentials:
    """A profile at the provider, with money, a number and maybe others; over TLS its media is encrypted."""
    options = Options(transport=transport, srtp=transport == "tls", called_in=called_in)
    made = profiles.create_profile(name, CHANNELS, "asterisk", now, options=options)
    credit.add(name, 100 * MICROS, f"first {name}", now)
    for each in (number, *others):
        numbers.add(each, name, now)
    return made


@contextmanager
def running(server: Bench, folder: Path, port_base: int) -> Iterator[Bench]:
    """A client of a running server; ended afterwards. Its profiles at the server stay."""
    ports = Ports.from_base(port_base)
    ports.check_free()
    remove(folder)
    client = Client(Instance(folder, ports, server.instance.asterisk, "client"), server)
    bench = Bench(client, server.program, folder / "sipp")
    try:
        client.start()
        yield bench
    finally:
        bench.close()
