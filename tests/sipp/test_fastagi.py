"""The same calls by Stasis and by FastAGI, with the dialplan of docs/fastagi-sample.conf: the same CDRs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import pytest

from connector.billing import credit, numbers, profiles
from connector.billing.history import CdrView
from connector.clock import SystemClock
from connector.core.money import MICROS
from connector.core.sip import Options
from connector.core.trunks import endpoint_of
from connector.routing import routes, trunks
from lab import process
from lab.far_end import NUMBERS
from lab.instance import PROJECT
from lab.load import Bench
from lab.ports import HOST, free_udp_port
from lab.run import endpoint_state

NUMBER = "+442079460450"
SAMPLE = PROJECT / "docs" / "fastagi-sample.conf"
_ENDPOINT = """\
[{name}]
type = endpoint
context = {context}
identify_by = ip
transport = connector-udp
media_address = {host}
disallow = all
allow = alaw,ulaw
direct_media = no
trust_id_inbound = yes
set_var = {variable}

[{name}]
type = identify
endpoint = {name}
match = {host}:{port}
"""
# Each is one of a CDR's own, or when and how long, which are looked at apart.
_OWN = ("id", "gate_leg", "other_leg", "started_at", "answered_at", "ended_at", "booked_at", "duration_ms")


@dataclass(frozen=True)
class Ways:
    """Where SIPp calls from, to come by Stasis and by FastAGI, out and in."""

    bench: Bench
    ports: dict[tuple[str, str], int]

    def call(self, way: str, direction: str, called: str, caller: str = "101", **words: str) -> CdrView:
        """One call; its CDR."""
        bench = self.bench
        outcome = bench.begin(f"{direction} by {way}")
        pbx = bench.sipp("routes/pbx.xml", ("", "", ""), 0, calls=5, port=self.ports["stasis", "out"])
        phones = pbx.start() if direction == "in" else None
        try:
            run = bench.sipp(
                "routes/network.xml",
                (caller, "", called),
                bench.instance.ports.sip,
                port=self.ports[way, direction],
                hold_s=1,
                words=words,
            )
            run.start().wait(30)
        finally:
            if phones is not None:
                phones.end()
        (cdr,) = bench.end(outcome)
        assert outcome.problems == []
        return cdr


@pytest.fixture(scope="module")
def made(running_bench: Bench) -> Iterator[Ways]:
    """A profile and a carrier, known by their ports; and beside them an admin's endpoints that ask by FastAGI."""
    bench, now = running_bench, SystemClock().now_ms()
    ports = {(way, direction): free_udp_port() for way in ("stasis", "agi") for direction in ("out", "in")}
    made = Ways(bench, ports)
    at = (HOST, ports["stasis", "out"])
    options = Options(qualify_s=0)  # SIPp is there for a call only
    signed = bench.in_store(
        lambda: profiles.create_profile("both", 5, "asterisk", now, at=at, options=options, country="GB")
    )
    bench.in_store(lambda: credit.add("both", 10 * MICROS, "both", now))
    bench.in_store(lambda: numbers.add(NUMBER, "both", now))
    there = ports["stasis", "in"]
    bench.in_store(lambda: trunks.create_trunk("heard", HOST, there, now, options=options, place=50))
    assert process.waited(lambda: endpoint_state(bench.instance, signed.username) is not None, 15)
    assert process.waited(lambda: endpoint_state(bench.instance, endpoint_of("heard")) is not None, 15)
    etc = bench.instance.folder / "asterisk" / "etc"
    mine = {
        "agi-pbx": ("agi-from-profile", f"__CONNECTOR_PROFILE={signed.username}", ports["agi", "out"]),
        "agi-carrier": ("agi-from-carrier", "CONNECTOR_TRUNK=heard", ports["agi", "in"]),
    }
    endpoints = [
        _ENDPOINT.format(name=name, context=context, variable=variable, port=port, host=HOST)
        for name, (context, variable, port) in mine.items()
    ]
    (etc / "pjsip_custom.conf").write_text("\n".join(endpoints))
    text = SAMPLE.read_text().replace("127.0.0.1:4573", f"{HOST}:{bench.instance.ports.fastagi}")
    text = text.replace("the-secret-of-connector.toml", bench.instance.secrets.fastagi)
    (etc / "extensions_custom.conf").write_text(text)
    _reload(bench)
    assert process.waited(lambda: endpoint_state(bench.instance, "agi-carrier") is not None, 5)
    yield made
    (etc / "pjsip_custom.conf").unlink()
    (etc / "extensions_custom.conf").unlink()
    _reload(bench)
    bench.in_store(lambda: trunks.remove("heard"))


@pytest.fixture
def ways(made: Ways, bench: Bench) -> Ways:
    """The same, and nothing is up after the test."""
    return made


def _reload(bench: Bench) -> None:
    for module in ("pbx_config.so", "res_pjsip.so"):
        bench.ari(f"/asterisk/modules/{module}", "PUT")


# direction | who calls | what is called | the route of the number | what its CDR says
CALLS = f"""
out | 101           | {NUMBERS["answered"]}  | pbx                          | ok
out | {NUMBER}      | 020 7946 0001          | pbx                          | ok
out | +447700900123 | {NUMBERS["busy"]}      | pbx                          | busy
out | 101           | rubbish                | pbx                          | number_invalid
out | 101           | 12                     | pbx                          | number_invalid
out | 101           | +99912345678           | pbx                          | no_rate
in  | +447700900123 | {NUMBER}               | extension 201, extension 101 for 1, busy | busy
in  | anonymous     | {NUMBER}               | group 201 202                | busy
in  | +447700900123 | {NUMBER}               | extension 401                | no_answer
in  | +447700900123 | +442079460451          | pbx                          | number_unknown
"""


@pytest.mark.parametrize("line", CALLS.strip().splitlines())
def test_both_ways_give_the_same_cdr(ways: Ways, line: str) -> None:
    """Every field but its own ids and times; as long to 200 ms."""
    direction, caller, called, route, wanted = (cell.strip() for cell in line.split("|"))
    called = called.replace(" ", "")
    ways.bench.in_store(lambda: routes.set_route(NUMBER, route))
    by_stasis = ways.call("stasis", direction, called, caller)
    by_agi = ways.call("agi", direction, called, caller)
    assert (by_agi.refusal or by_agi.ending) == wanted
    one, other = ({k: v for k, v in asdict(cdr).items() if k not in _OWN} for cdr in (by_stasis, by_agi))
    assert one == other
    assert abs(by_stasis.duration_ms - by_agi.duration_ms) < 200
    assert (by_stasis.other_leg is None) is (by_agi.other_leg is None)


def test_an_emergency_asks_nobody_by_either_way(ways: Ways) -> None:
    """Refused with early media, for the lab has no local route; and there is no CDR."""
    bench = ways.bench
    for way in ("stasis", "agi"):
        outcome = bench.begin("emergency")
        run = bench.sipp(
            "routes/network.xml", ("101", "", "112"), bench.instance.ports.sip, port=ways.ports[way, "out"]
        )
        assert run.start().wait(30).counts.get("early") == 1
        assert bench.end(outcome) == []


def test_without_the_connector_every_call_is_refused(ways: Ways) -> None:
    """Nobody listens: AGI() comes back at once, nothing is set, and the next line refuses."""
    bench = ways.bench
    bench.supervisor.forgive()
    process.end(process.identify(bench.supervisor.pid("connector")))
    for direction, called in (("out", NUMBERS["answered"]), ("in", NUMBER)):
        row = ("101", "", called)
        port = ways.ports["agi", direction]
        refused = bench.sipp("routes/network.xml", row, bench.instance.ports.sip, port=port).start().wait(20)
        assert refused.counts.get("refused") == 1
    assert bench.legs() == []
    assert bench.restored()


def test_a_forward_by_agi_is_paid(ways: Ways) -> None:
    """It goes out by the connector's own gate: two CDRs, as by Stasis."""
    bench = ways.bench
    bench.in_store(lambda: routes.set_route(NUMBER, f"number {NUMBERS['answered']}"))
    found = {}
    for way in ("stasis", "agi"):
        outcome = bench.begin("forward")
        row = ("+447700900123", "", NUMBER)
        run = bench.sipp("routes/network.xml", row, bench.instance.ports.sip, port=ways.ports[way, "in"])
        assert run.start().wait(30).counts.get("answered") == 1
        found[way] = sorted((c.direction, c.ending, c.shown, c.called, c.price_micros) for c in bench.end(outcome))
    assert found["stasis"] == found["agi"]
    assert [row[0] for row in found["agi"]] == ["in", "out"]
