"""Messages that try to break a SIP stack: RFC 4475, and what chance makes of them. None leaves anything behind."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from lab import process
from lab.far_end import NUMBERS
from lab.load import Bench
from lab.phone import Phone
from lab.ports import HOST
from tests.sipp import torture
from tests.sipp.test_foreign_phones import trunk_before

MUTATIONS = 2_000
SEED = 4475


@pytest.fixture(scope="module")
def carrier(running_bench: Bench) -> Iterator[Phone]:
    """A carrier that Asterisk knows: what it sends reaches the dialplan."""
    made = Phone(0, "carrier")
    with trunk_before(running_bench, made, "torture", nat=False):
        yield made
    made.close()


def mutated(chance: random.Random, message: bytes) -> bytes:
    """A message with some bytes changed, taken away, put in or said twice."""
    found = bytearray(message)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(found) or 1)
        what = chance.randrange(5)
        if what == 0 and found:
            found[at] = chance.randrange(256)
        elif what == 1:
            del found[at : at + chance.randint(1, 20)]
        elif what == 2:
            found[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 10)))
        elif what == 3:
            found[at:at] = found[at : at + chance.randint(1, 60)]
        else:
            found[at:at] = chance.choice([b"%00", b"${SHELL(id)}", b"\r\n", b";", b",", b'"', b"&PJSIP/x", b"\xff\xfe"])
    return bytes(found)


def settled(bench: Bench) -> None:
    """Nothing is left, everything lives, and a call works as ever."""
    assert process.waited(lambda: bench.live() == 0 and bench.legs() == [], 40, 0.2)
    assert bench.caller("first-call/outgoing.xml", 1, 1).start().wait(20).successful == 1
    assert process.waited(lambda: bench.live() == 0 and bench.legs() == [], 10, 0.2)
    said = (bench.instance.folder / "log" / "connector.log").read_text()
    assert "Traceback" not in said


def test_the_messages_of_rfc_4475_leave_nothing(bench: Bench, carrier: Phone) -> None:
    """49 messages, from somebody unknown and from a carrier: no leg, no call, no money, and Asterisk lives."""
    outcome = bench.begin("RFC 4475")
    pid = bench.supervisor.pid("asterisk")
    stranger = Phone(bench.instance.ports.sip)
    for phone in (stranger, carrier):
        found = torture.messages(f"{HOST}:{phone.server}", f"{HOST}:{phone.port}")
        assert len(found) == 49
        for message in found.values():
            phone.socket.sendto(message, (HOST, phone.server))
            phone.listen(0.02)
    stranger.close()
    settled(bench)
    assert bench.supervisor.pid("asterisk") == pid
    cdrs = bench.end(outcome)
    assert [cdr.ending for cdr in cdrs if cdr.direction == "out"] == ["ok"]
    assert {cdr.price_micros or 0 for cdr in cdrs if cdr.direction == "in"} <= {0}
    assert NUMBERS["answered"] not in {cdr.called for cdr in cdrs if cdr.direction == "in"}


def test_two_thousand_mutations_leave_nothing(bench: Bench, carrier: Phone) -> None:
    """The same, changed by chance; the same chance each time."""
    outcome = bench.begin("mutations")
    pid = bench.supervisor.pid("asterisk")
    chance = random.Random(SEED)
    found = list(torture.messages(f"{HOST}:{carrier.server}", f"{HOST}:{carrier.port}").values())
    for _ in range(MUTATIONS):
        carrier.socket.sendto(mutated(chance, chance.choice(found))[:60_000], (HOST, carrier.server))
        carrier.listen(0.004)
    settled(bench)
    assert bench.supervisor.pid("asterisk") == pid
    cdrs = bench.end(outcome)
    assert [cdr.ending for cdr in cdrs if cdr.direction == "out"] == ["ok"]
