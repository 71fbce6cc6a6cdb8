"""Copies of SIP messages: which of them tell of a call that was refused before the gate."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.asterisk.sip_copies import MOST_BYTES, MOST_INVITES, Listener, Refusals, drop_the_rest
from connector.core.reach import Invited, Known, State, with_refused

INVITE = (
    "INVITE sip:wholesale@192.0.2.1 SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:wholesale@192.0.2.1>{tag}\r\n"
    "{name}: {call_id}\r\nCSeq: {cseq} INVITE\r\n{signed}\r\nv=0"
)
ANSWER = (
    "SIP/2.0 {status} Not Acceptable\r\nTo: <sip:x@y>;tag=2\r\n"
    "Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{more}\r\n"
)
SIGNED = 'Authorization: Digest username="pabc", realm="asterisk"\r\n'


def copy(message: str, source: str = "192.0.2.7", port: int = 5070) -> bytes:
    """As Asterisk sends it (HEPv3)."""
    values = {
        1: b"\x02", 2: b"\x11", 3: bytes(map(int, source.split("."))), 4: b"\x7f\x00\x00\x01",
        7: port.to_bytes(2), 8: (5060).to_bytes(2), 15: message.encode(),
    }  # fmt: skip
    body = b"".join(struct.pack("!HHH", 0, kind, len(value) + 6) + value for kind, value in values.items())
    return struct.pack("!4sH", b"HEP3", len(body) + 6) + body


def invite(call_id: str = "a", *, tag: str = "", signed: str = "", name: str = "Call-ID", cseq: int = 2) -> bytes:
    """A copy of an INVITE."""
    return copy(INVITE.format(call_id=call_id, tag=tag, signed=signed, name=name, cseq=cseq))


def answer(call_id: str = "a", *, status: int = 488, method: str = "INVITE", more: str = "", cseq: int = 2) -> bytes:
    """A copy of an answer."""
    text = ANSWER.format(call_id=call_id, status=status, method=method, more=more, cseq=cseq)
    return copy(text, "127.0.0.1", 5060)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([invite(), answer()], True),
        ([invite(name="i"), answer()], True),
        ([invite(), invite(signed=SIGNED), answer()], True),
        ([invite(), answer(), answer()], True),
        ([answer()], False),
        ([invite("b"), answer("a")], False),
        ([invite(), answer(status=200), invite(tag=";tag=9"), answer()], False),  # in a call: T.38 that is declined
        ([invite(), answer(status=200), answer()], False),
        ([invite(), answer(status=100), answer(status=180), answer()], True),
        ([invite(), invite(tag=";tag=9", cseq=3), answer(cseq=3)], False),  # the kernel drops the 200 between them
        ([invite(), answer(status=486)], False),
        ([invite(), answer(method="UPDATE")], False),
        ([invite(), answer(more="Reason: Q.850;cause=65\r\n")], False),  # the far end's, by way of the gate
        ([b"HEP3", b"", b"HEP3\x00\x06", invite()[:40]], False),
    ],
)
def test_only_what_no_dialplan_saw_is_told(messages: list[bytes], told: bool) -> None:
    """The first 488 to an INVITE that begins a call, without a cause beside it; and it is told once."""
    refusals = Refusals()
    assert [found for found in map(refusals.heard, messages) if found is not None] == (
        [Invited(("192.0.2.7", 5070), "wholesale", "pabc" if SIGNED.encode() in messages[1] else "")] if told else []
    )


def as_asterisk(message: str, *, name: bytes = b"", key: bytes = b"", address: str = "192.0.2.7") -> bytes:
    """A copy with all chunks of Asterisk's res_hep.c, in their order; the last two are settings of hep.conf."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    places = [(each, socket.inet_pton(family, address)) for each in ((5, 6) if ":" in address else (3, 4))]
    values = [
        (1, bytes([family])), (2, b"\x11"), (7, (5060).to_bytes(2)), (8, (5070).to_bytes(2)),
        (9, bytes(4)), (10, bytes(4)), (11, b"\x01"), (12, (1).to_bytes(4)), *places,
        *[(14, key)] * bool(key), (17, b"some-call@192.0.2.7"), *[(19, name)] * bool(name), (15, message.encode()),
    ]  # fmt: skip
    body = b"".join(struct.pack("!HHH", 0, kind, len(value) + 6) + value for kind, value in values)
    return struct.pack("!4sH", b"HEP3", len(body) + 6) + body


def test_the_kernel_drops_what_is_not_looked_at() -> None:
    """INVITE and 488 come, other messages do not. What is not in the usual form comes, and is judged by its text."""
    begun, refused = INVITE.format(call_id="a", tag="", signed="", name="Call-ID", cseq=2), "SIP/2.0 488 Not Acceptable"
    others = (
        "BYE sip:a@b SIP/2.0",
        "ACK sip:a@b SIP/2.0",
        "SIP/2.0 200 OK",
        "SIP/2.0 100 Trying",
        "OPTIONS sip:a@b",
        "",
    )
    kept = [
        as_asterisk(begun), as_asterisk(refused), copy("BYE sip:a@b SIP/2.0" + " " * 100), b"another form",
        as_asterisk("BYE sip:a@b SIP/2.0", address="2001:db8::7"), as_asterisk("BYE sip:a@b SIP/2.0", key=b"secret"),
        as_asterisk("BYE sip:a@b SIP/2.0", name=b"asterisk"), as_asterisk(begun, name=b"asterisk"),
    ]  # fmt: skip
    with socket.socket(type=socket.SOCK_DGRAM) as listens, socket.socket(type=socket.SOCK_DGRAM) as sends:
        listens.bind(("127.0.0.1", 0))
        listens.settimeout(5)
        drop_the_rest(listens)
        for each in (*kept, *map(as_asterisk, others), b"", b"HEP3", as_asterisk(begun)[:100], kept[0]):
            sends.sendto(each, listens.getsockname())
        found = [listens.recv(65_536) for _ in range(len(kept) + 1)]
        assert found == [*kept, kept[0]]


@given(st.binary(max_size=200), st.integers(0, 200))
def test_whatever_comes_does_no_harm(data: bytes, cut: int) -> None:
    """Anybody on this machine may send to the port."""
    refusals = Refusals()
    for each in (data, b"HEP3" + data, invite()[:cut] + data, answer()[:cut] + data):
        refusals.heard(each)


def test_no_more_invites_are_remembered_than_is_said() -> None:
    """Those that nobody answers are forgotten, the oldest first."""
    refusals = Refusals()
    for number in range(MOST_INVITES + 1):
        refusals.heard(invite(f"call-{number}"))
    assert refusals.heard(answer("call-0")) is None
    assert refusals.heard(answer("call-1")) is not None


# who signed, whom it calls, from which port -> whose it is
WHOSE = """
pabc   x         5070 -> pabc
-      wholesale 5071 -> connector-wholesale
-      x         5070 -> connector-near
-      x         5071 -> connector-any
nobody wholesale 5070 -> connector-near
-      pabc      5071 -> connector-any
"""


@pytest.mark.parametrize("line", WHOSE.strip().splitlines())
def test_whose_an_invite_was(line: str) -> None:
    """Who signed it, else by address and port, else by the user that it calls, else by the address alone."""
    signed, to, port, _, endpoint = line.split()
    known = Known(
        {"pabc": "pabc"},
        {"wholesale": "connector-wholesale"},
        {("192.0.2.7", 5070): "connector-near", ("192.0.2.7", None): "connector-any"},
    )
    assert known.endpoint(Invited(("192.0.2.7", int(port)), to, signed.strip("-"))) == endpoint
    assert known.endpoint(Invited(("192.0.2.8", 5070), "x", "")) is None


def test_a_state_tells_of_it_and_stays_what_it_is() -> None:
    """Up or down, and beside it the reason."""
    states = {"a": State("up", "it answers"), "b": State("up", "it answers")}
    found = with_refused(states, {"b", "c"})
    assert (found["a"], found["b"].word) == (states["a"], "up")
    assert "none of the codecs" in found["b"].reason
    assert set(found) == {"a", "b"}


@pytest.mark.parametrize("padding", ["X: SIP/2.0 488 \r\n", "X: " + "a" * 9_000 + "\r\n"])
def test_copies_that_strangers_can_make_cost_little(padding: str) -> None:
    """What only looks like a refusal, or is longer than an INVITE of a phone, has nothing read and is not kept long."""
    refusals = Refusals()
    for number in range(MOST_INVITES + 10):
        assert refusals.heard(invite(f"call-{number}", signed=padding)) is None
    assert len(refusals._invites) == 0
    assert sum(map(len, refusals._unread)) <= MOST_INVITES * MOST_BYTES


async def test_the_port_is_read_on_after_an_error() -> None:
    """An exception in the callback for one refusal is logged as a defect, and the next refusal is still reported."""
    loop = asyncio.get_running_loop()
    defects: list[object] = []
    loop.set_exception_handler(lambda _, context: defects.append(context["exception"]))
    told: asyncio.Queue[Invited] = asyncio.Queue()

    def tell(invited: Invited) -> None:
        """For the first call it fails."""
        told.put_nowait(invited)
        if invited.to == "first":
            raise ValueError(invited)

    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.setblocking(False)
    port.bind(("127.0.0.1", 0))
    listener = Listener(port, tell)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asterisk:
            for name in ("first", "second"):
                for message in (invite(name).replace(b"wholesale", name.encode()), answer(name)):
                    asterisk.sendto(message, port.getsockname())
                assert (await asyncio.wait_for(told.get(), 10)).to == name
    finally:
        listener.close()
    assert [type(defect) for defect in defects] == [ValueError]
