"""Listens to copies of Asterisk's SIP messages, for what it tells in no event and in no log: calls that it refuses with
488 before any dialplan, for the offer has no codec that the endpoint may use (22.10).

`res_hep_pjsip` sends each message by UDP (hep.conf), in HEPv3: a head, then chunks of vendor, type, length and value
(https://github.com/sipcapture/HEP, rev 12). Only INVITE and its 488 are looked at; nothing is kept on disk. The kernel
drops the others, which are most of the traffic of all calls on this Asterisk.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import re
import socket
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

from connector.core.reach import Invited

log = logging.getLogger(__name__)

# So many INVITEs are remembered, the last ones: answers other than 488 are not seen.
MOST_INVITES = 1_000
PAUSE_S = 0.05
# A longer INVITE is left out: none of a phone is, and a thousand of them are kept.
MOST_BYTES = 8_192
_ROOM = 1 << 20  # bytes that the kernel keeps between two readings, if it may
_HEAD = struct.Struct("!4sH")
_CHUNK = struct.Struct("!HHH")
_SOURCE, _SOURCE_PORT, _PAYLOAD = 3, 7, 15
_MOST_CHUNKS = 30
_REQUEST_USER = re.compile(rb"INVITE sips?:([^@;>\s]{1,128})@")
_FINAL = re.compile(rb"SIP/2\.0 [2-6][0-9][0-9] ")
_REFUSED = b"SIP/2.0 488 "
_TAG = re.compile(rb";\s*tag\s*=", re.IGNORECASE)
_SIGNED_BY = re.compile(rb'username="([^"]{1,128})"')


def _header(names: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"^(?:" + names + rb")[ \t]*:[ \t]*(.*?)\r?$", re.MULTILINE | re.IGNORECASE)


# With the short names that some have (RFC 3261, 7.3.3).
_TO, _CALL_ID, _CSEQ = _header(b"To|t"), _header(b"Call-ID|i"), _header(b"CSeq")
_AUTHORIZATION, _REASON = _header(b"Authorization"), _header(b"Reason")


class Refusals:
    """Finds INVITEs that were refused with 488 before a channel was made. Everything in them is from the network.

    Copies are kept as they came and read when a 488 comes, for hardly any INVITE is refused so.
    """

    def __init__(self) -> None:
        self._unread: deque[bytes] = deque(maxlen=MOST_INVITES)
        self._invites: OrderedDict[bytes, tuple[bytes, Invited]] = OrderedDict()  # by Call-ID, with its CSeq

    def heard(self, data: bytes) -> Invited | None:
        """A copy of a message; whose INVITE was refused, if it says so."""
        if b"INVITE" not in data or len(data) > MOST_BYTES:
            return None  # nor is it an answer to one, by its CSeq: most copies are not looked at further
        if not (_REFUSED in data and _head(_chunks(data)).startswith(_REFUSED)):
            self._unread.append(data)
            return None
        while self._unread:
            self._read(self._unread.popleft())
        return self._read(data)

    def _read(self, data: bytes) -> Invited | None:
        chunks = _chunks(data)
        message = _head(chunks)
        if message.startswith(b"INVITE "):
            self._remember(message, chunks)
        elif _FINAL.match(message) and _value(_CSEQ, message).endswith(b"INVITE"):
            cseq, invited = self._invites.pop(_call_id(message), (b"", None))
            if cseq != _value(_CSEQ, message):
                return None  # another INVITE's of the same call
            # What a dialplan answers has a cause beside it (RFC 3326, res_pjsip_rfc3326).
            return invited if message.startswith(_REFUSED) and not _value(_REASON, message) else None
        return None

    def _remember(self, message: bytes, chunks: Mapping[int, bytes]) -> None:
        if _TAG.search(_value(_TO, message)):
            return  # in a call
        user = _REQUEST_USER.match(message)
        signed = _SIGNED_BY.search(_value(_AUTHORIZATION, message))
        invited = Invited(
            (_address(chunks.get(_SOURCE, b"")), int.from_bytes(chunks.get(_SOURCE_PORT, b"")[:2])),
            _text(user.group(1)) if user else "",
            _text(signed.group(1)) if signed else "",
        )
        call_id = _call_id(message)
        self._invites.pop(call_id, None)
        self._invites[call_id] = (_value(_CSEQ, message), invited)
        while len(self._invites) > MOST_INVITES:
            self._invites.popitem(last=False)


def _chunks(data: bytes) -> dict[int, bytes]:
    """The values of a HEPv3 packet by type; nothing of what is none."""
    if len(data) < _HEAD.size or _HEAD.unpack_from(data)[0] != b"HEP3":
        return {}
    found: dict[int, bytes] = {}
    at = _HEAD.size
    for _ in range(_MOST_CHUNKS):
        if at + _CHUNK.size > len(data):
            break
        _, kind, length = _CHUNK.unpack_from(data, at)
        if length < _CHUNK.size:
            break
        found[kind] = data[at + _CHUNK.size : at + length]
        at += length
    return found


def _head(chunks: Mapping[int, bytes]) -> bytes:
    """The SIP message of a packet without its body."""
    return chunks.get(_PAYLOAD, b"").partition(b"\r\n\r\n")[0]


def _value(header: re.Pattern[bytes], message: bytes) -> bytes:
    found = header.search(message)
    return found.group(1).strip() if found else b""


def _call_id(message: bytes) -> bytes:
    return _value(_CALL_ID, message)[:256]


def _address(value: bytes) -> str:
    return socket.inet_ntoa(value) if len(value) == 4 else ""


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace")


class Listener:
    """Reads the port that copies come to, and calls `tell` with each INVITE that was refused.

    The first copy wakes it, and PAUSE_S later it reads all that have come: so a call does not wake the process for each
    of its INVITEs. What the kernel has no room for meanwhile is lost.
    """

    def __init__(self, port: socket.socket, tell: Callable[[Invited], None]) -> None:
        self._port = port
        self._refusals = Refusals()
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        self._loop.add_reader(port, self._woken)

    def close(self) -> None:
        """Listen no more."""
        if self._later is not None:
            self._later.cancel()
        self._loop.remove_reader(self._port)
        self._port.close()

    def _woken(self) -> None:
        self._loop.remove_reader(self._port)
        self._later = self._loop.call_later(PAUSE_S, self._read)

    def _read(self) -> None:
        try:
            for _ in range(MOST_INVITES):
                try:
                    data = self._port.recv(MOST_BYTES + 1)
                except OSError:  # BlockingIOError: all are read
                    break
                invited = self._refusals.heard(data)
                if invited is not None:
                    self._tell(invited)
        finally:
            self._loop.add_reader(self._port, self._woken)


# Classic BPF (linux/filter.h): instructions of code, jump if true, jump if false, and a constant.
_LOAD4, _LOAD2, _LOAD1, _LOAD4_AT_X, _LOAD2_AT_X = 0x20, 0x28, 0x30, 0x40, 0x48
_ADD, _TO_X, _IF_EQUAL, _RETURN = 0x04, 0x07, 0x15, 0x06
_UDP_HEAD = 8  # a filter sees it before the data
_BEFORE_ADDRESSES = 73  # a HEP head and Asterisk's chunks of a fixed length (res_hep.c)
_ADDRESSES_V4 = 20
_UUID = 17
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python has no name for it


def _filter() -> bytes:
    """A program for the kernel: keeps INVITEs, answers 488, and whatever is not as Asterisk sends it by IPv4."""
    chunk = _UDP_HEAD + _BEFORE_ADDRESSES + _ADDRESSES_V4
    program = [
        (_LOAD4, 0, 0, _UDP_HEAD),
        (_IF_EQUAL, 0, 14, int.from_bytes(b"HEP3")),  # a jump goes over so many instructions: this one to the last
        (_LOAD1, 0, 0, _UDP_HEAD + 12),  # the value of the first chunk, the address family
        (_IF_EQUAL, 0, 12, socket.AF_INET),
        (_LOAD2, 0, 0, chunk + 2),
        (_IF_EQUAL, 0, 10, _UUID),
        (_LOAD2, 0, 0, chunk + 4),
        (_ADD, 0, 0, chunk),
        (_TO_X, 0, 0, 0),  # the chunk after it
        (_LOAD2_AT_X, 0, 0, 2),
        (_IF_EQUAL, 0, 5, _PAYLOAD),
        (_LOAD4_AT_X, 0, 0, _CHUNK.size),
        (_IF_EQUAL, 3, 0, int.from_bytes(b"INVI")),
        (_LOAD4_AT_X, 0, 0, _CHUNK.size + 8),
        (_IF_EQUAL, 1, 0, int.from_bytes(b"488 ")),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, 0xFFFFFFFF),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def drop_the_rest(listening_socket: socket.socket) -> None:
    """Have the kernel drop copies that are not looked at. OSError if it cannot: then they are dropped here."""
    code = _filter()
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HL", len(code) // 8, ctypes.addressof(buffer))  # struct sock_fprog
    listening_socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


async def listening(host: str, port: int, tell: Callable[[Invited], None]) -> None:
    """Listen until cancelled. If another program has the port, one line of the log reports it, and calls go on."""
    try:
        listening_socket = _bound(host, port)
    except OSError as error:
        log.error("copies of SIP messages cannot be taken at %s:%d: %s; set [sip] copies_port", host, port, error)
        await asyncio.Event().wait()
        return
    with contextlib.suppress(OSError):
        drop_the_rest(listening_socket)
    listener = Listener(listening_socket, tell)
    try:
        await asyncio.Event().wait()
    finally:
        listener.close()


def _bound(host: str, port: int) -> socket.socket:
    """A UDP socket on a port. OSError."""
    failed: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            made.bind(address)
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed or OSError(f"{host} has no address")
