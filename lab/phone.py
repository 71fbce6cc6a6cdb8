"""A SIP phone for tests: it says by UDP or TCP exactly what it is told, also what no phone says, and keeps what it
hears.

SIPp counts calls by a fixed scenario; here a test looks at each message and decides what comes next.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab import process
from lab.ports import HOST

LIMIT_S = 5.0
AUDIO = "m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
Headers = dict[str, str]


def sdp(media: str = AUDIO, *, host: str = HOST, port: int = 40_000, version: int = 1) -> str:
    """A session description with these media lines."""
    family = "IP6" if ":" in host else "IP4"
    head = f"v=0\r\no=- 1 {version} IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n"
    return head + media.format(port=port)


@dataclass(frozen=True)
class Message:
    """A request or an answer, as it came."""

    text: str

    @property
    def status(self) -> int:
        """The status of an answer; 0 for a request."""
        first = self.text.split(" ", 2)
        return int(first[1]) if first[0] == "SIP/2.0" else 0

    @property
    def method(self) -> str:
        """The method of a request, or of the request that is answered."""
        return self.header("CSeq").split()[1] if self.status else self.text.split(" ", 1)[0]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.text.split(" ", 2)[1]

    @property
    def body(self) -> str:
        """What comes after the headers."""
        return self.text.partition("\r\n\r\n")[2]

    def header(self, name: str) -> str:
        """The first header of a name; "" if there is none."""
        found = self.headers(name)
        return found[0] if found else ""

    def headers(self, name: str) -> list[str]:
        """Every header of a name, in order."""
        head = self.text.partition("\r\n\r\n")[0]
        return re.findall(rf"^{re.escape(name)}\s*:\s*(.*?)\r?$", head, re.MULTILINE | re.IGNORECASE)

    def tag(self, name: str) -> str:
        """The tag of From or To."""
        found = re.search(r";tag=([^;>\s]+)", self.header(name))
        return found.group(1) if found else ""


class Phone:
    """One phone: a port of its own, a user and a password, the calls that it makes and takes. `here` is its own
    address, `there` is its server's.
    """

    def __init__(
        self,
        server: int,
        user: str = "phone",
        password: str = "",
        port: int = 0,
        *,
        transport: str = "udp",
        here: str = HOST,
        there: str = HOST,
    ) -> None:
        self.server = server
        self.here, self.there = here, there
        self.user = user
        self.password = password
        self.transport = transport
        # Whether another INVITE in a call is answered as soon as it is heard; else a test does that, or does not.
        self.takes_reinvites = False
        if transport == "tcp":
            self.socket = socket.create_connection((there, server), LIMIT_S)
        else:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((here, port))
        self.port: int = self.socket.getsockname()[1]
        self.heard: list[Message] = []
        self._taken: set[int] = set()
        self._stream = b""

    def close(self) -> None:
        """Hear nothing more."""
        self.socket.close()

    @property
    def contact(self) -> str:
        """Where it is called."""
        transport = f";transport={self.transport}" if self.transport != "udp" else ""
        return f"<sip:{self.user}@{self.here}:{self.port}{transport}>"

    def send(self, text: str, to: int = 0) -> None:
        """Send a message as it is."""
        data = text.encode(errors="surrogateescape")
        if self.transport == "tcp":
            self.socket.sendall(data)
        else:
            self.socket.sendto(data, (self.there, to or self.server))

    def wait(self, wanted: Callable[[Message], bool], what: str, limit_s: float = LIMIT_S) -> Message:
        """The first message that is wanted and was not taken before. TimeoutError if it does not come."""
        until = time.monotonic() + limit_s * process.PATIENCE
        seen = 0
        while True:
            for at in range(seen, len(self.heard)):
                if at not in self._taken and wanted(self.heard[at]):
                    self._taken.add(at)
                    return self.heard[at]
            seen = len(self.heard)
            left = until - time.monotonic()
            if left <= 0:
                said = [each.text.split("\r\n", 1)[0] for each in self.heard]
                raise TimeoutError(f"{what} did not come; heard: {said}")
            self.listen(left)

    def listen(self, limit_s: float) -> None:
        """Hear the next message, if one comes in time."""
        heard = len(self.heard)
        self._listen(limit_s)
        for message in self.heard[heard:]:
            if self.takes_reinvites and message.text.startswith("INVITE ") and message.tag("To"):
                Dialog(self, "", "", "").replies(message, 200, sdp(host=self.here))

    def _listen(self, limit_s: float) -> None:
        self.socket.settimeout(max(0.001, limit_s))
        try:
            data = self.socket.recv(65_535)
        except TimeoutError:
            return
        if self.transport == "tcp":
            if not data:
                raise ConnectionError("the server closed the connection")
            self._stream += data
            while (whole := _first_message(self._stream.lstrip(b"\r\n"))) is not None:
                data, self._stream = whole
                self.heard.append(Message(data.decode(errors="surrogateescape")))
        else:
            self.heard.append(Message(data.decode(errors="surrogateescape")))

    def register(self, contact: str = "", headers: Headers | None = None) -> Message:
        """Register, with a contact of its own or this one; the final answer."""
        more = {"Contact": contact or self.contact, "Expires": "300", **(headers or {})}
        ours = f"<sip:{self.user}@{self.there}>"
        dialog = Dialog(self, f"sip:{self.there}:{self.server}", ours, ours)
        return dialog.authorised("REGISTER", more)

    def call(
        self,
        number: str,
        body: str | None = None,
        headers: Headers | None = None,
        *,
        uri: str = "",
        to: str = "",
        call_id: str = "",
    ) -> Dialog:
        """INVITE, and authenticate if that is asked for; nothing is waited for after that."""
        uri = uri or f"sip:{number}@{self.there}:{self.server}"
        dialog = Dialog(self, uri, f"<sip:{self.user}@{self.there}>", to or f"<{uri}>")
        dialog.call_id = call_id or dialog.call_id
        dialog.invite(sdp(host=self.here) if body is None else body, headers)
        return dialog

    def rings(self, limit_s: float = LIMIT_S) -> Dialog:
        """A call that comes in: the dialog of its INVITE, which is not answered yet."""
        invite = self.wait(
            lambda each: each.text.startswith("INVITE ") and not each.tag("To"), "an INVITE of a new call", limit_s
        )
        dialog = Dialog(self, _uri(invite.header("Contact")), invite.header("To"), invite.header("From"))
        dialog.call_id, dialog.invited = invite.header("Call-ID"), invite
        dialog.local += f";tag={dialog.tag}"
        return dialog


@dataclass
class Dialog:
    """A call of a phone, or a registration. `local` and `remote` are From and To of what it sends."""

    phone: Phone
    uri: str
    local: str
    remote: str
    call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    tag: str = field(default_factory=lambda: secrets.token_hex(4))
    cseq: int = 0
    answer: Message | None = None
    invited: Message | None = None
    sent: str = ""

    def text(self, method: str, body: str, headers: Headers | None, cseq: int = 0, branch: str = "") -> str:
        """A request of this dialog."""
        branch = branch or f"z9hG4bK{secrets.token_hex(8)}"
        source = self.local if ";tag=" in self.local else f"{self.local};tag={self.tag}"
        lines = [
            f"{method} {self.uri} SIP/2.0",
            f"Via: SIP/2.0/{self.phone.transport.upper()} {self.phone.here}:{self.phone.port};rport;branch={branch}",
            f"From: {source}",
            f"To: {self.remote}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq or self.cseq} {method}",
            "Max-Forwards: 70",
        ]
        more = dict(headers or {})
        if method in ("INVITE", "UPDATE", "REFER") and "Contact" not in more:
            more["Contact"] = self.phone.contact
        if body and "Content-Type" not in more:
            more["Content-Type"] = "application/sdp"
        lines += [f"{name}: {value}" for name, value in more.items()]
        return "\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body])

    def request(self, method: str, body: str = "", headers: Headers | None = None) -> Message:
        """Send a request in the dialog; its final answer. A challenge is answered."""
        found = self.authorised(method, headers or {}, body)
        if method == "INVITE" and found.status >= 200:
            self.ack()
        return found

    def authorised(self, method: str, headers: Headers, body: str = "") -> Message:
        """Send a request, and once more with credentials if it is challenged; the final answer."""
        self.cseq += 1
        self.phone.send(self.text(method, body, headers))
        found = self.final(method)
        if found.status in (401, 407):
            if method == "INVITE":
                self._ack_refusal(found)
            self.cseq += 1
            self.phone.send(self.text(method, body, {**headers, **self._proof(found, method)}))
            found = self.final(method)
        return found

    def invite(self, body: str, headers: Headers | None = None) -> None:
        """Send INVITE, and once more with credentials if it is challenged."""
        self.cseq += 1
        self.sent = self.text("INVITE", body, headers)
        self.phone.send(self.sent)
        first = self.wait(lambda message: message.status >= 100, "an answer to INVITE")
        if first.status == 100:
            return
        if first.status not in (401, 407):
            self.phone._taken.discard(self.phone.heard.index(first))
            return
        self._ack_refusal(first)
        self.cseq += 1
        self.sent = self.text("INVITE", body, {**(headers or {}), **self._proof(first, "INVITE")})
        self.phone.send(self.sent)

    def wait(self, wanted: Callable[[Message], bool], what: str, limit_s: float = LIMIT_S) -> Message:
        """A message of this dialog."""
        return self.phone.wait(lambda each: each.header("Call-ID") == self.call_id and wanted(each), what, limit_s)

    def status(self, *wanted: int, limit_s: float = LIMIT_S) -> Message:
        """The answer with one of these statuses to what was sent last."""
        return self.wait(lambda each: each.status in wanted, f"one of {wanted}", limit_s)

    def final(self, method: str, limit_s: float = LIMIT_S) -> Message:
        """The final answer to the request of a method that was sent last."""
        mine = f"{self.cseq} {method}"
        return self.wait(
            lambda each: each.status >= 200 and each.header("CSeq") == mine, f"an answer to {mine}", limit_s
        )

    def answered(self, limit_s: float = LIMIT_S) -> Message:
        """The 200 to INVITE, acknowledged; AssertionError for another final answer."""
        found = self.final("INVITE", limit_s)
        assert found.status == 200, found.text
        self.answer = found
        self.remote = found.header("To")
        self.uri = _uri(found.header("Contact"))
        self.ack()
        return found

    def refused(self, limit_s: float = LIMIT_S) -> int:
        """The status with which INVITE was refused, acknowledged."""
        found = self.final("INVITE", limit_s)
        assert found.status >= 300, found.text
        self._ack_refusal(found)
        return found.status

    def ack(self) -> None:
        """ACK of a 2xx."""
        self.phone.send(self.text("ACK", "", None))

    def cancel(self) -> None:
        """CANCEL of the INVITE that was sent last."""
        via = re.search(r"^Via: (.*?)\r$", self.sent, re.MULTILINE)
        assert via
        text = self.text("CANCEL", "", None)
        self.phone.send(re.sub(r"^Via: .*?\r$", f"Via: {via.group(1)}\r", text, count=1, flags=re.MULTILINE))

    def bye(self) -> int:
        """BYE; the status of its answer."""
        return self.request("BYE").status

    def replies(self, request: Message, status: int, body: str = "", headers: Headers | None = None) -> None:
        """Answer a request that came in."""
        to = request.header("To")
        lines = [f"SIP/2.0 {status} Reason"]
        lines += [f"Via: {via}" for via in request.headers("Via")]
        lines += [f"From: {request.header('From')}", f"To: {to if ';tag=' in to else f'{to};tag={self.tag}'}"]
        lines += [f"Call-ID: {request.header('Call-ID')}", f"CSeq: {request.header('CSeq')}"]
        more = {"Contact": self.phone.contact, **(headers or {})}
        if body:
            more["Content-Type"] = "application/sdp"
        lines += [f"{name}: {value}" for name, value in more.items()]
        self.phone.send("\r\n".join([*lines, f"Content-Length: {len(body.encode())}", "", body]))

    def picks_up(self, body: str = "") -> None:
        """Answer a call that came in, and wait for the ACK."""
        assert self.invited
        self.replies(self.invited, 200, body or sdp(host=self.phone.here))
        self.wait(lambda each: each.text.startswith("ACK "), "an ACK")

    def _ack_refusal(self, refusal: Message) -> None:
        branch = re.search(r"branch=([^;\s]+)", refusal.header("Via"))
        remote, self.remote = self.remote, refusal.header("To")
        cseq = int(refusal.header("CSeq").split()[0])
        self.phone.send(self.text("ACK", "", None, cseq, branch.group(1) if branch else ""))
        self.remote = remote

    def _proof(self, challenge: Message, method: str) -> Headers:
        name = "WWW-Authenticate" if challenge.status == 401 else "Proxy-Authenticate"
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge.header(name)))
        realm, nonce, count, own = said["realm"], said["nonce"], "00000001", secrets.token_hex(4)
        first = _md5(f"{self.phone.user}:{realm}:{self.phone.password}")
        second = _md5(f"{method}:{self.uri}")
        proof = _md5(f"{first}:{nonce}:{count}:{own}:auth:{second}")
        value = (
            f'Digest username="{self.phone.user}", realm="{realm}", nonce="{nonce}", uri="{self.uri}",'
            f' response="{proof}", algorithm=MD5, qop=auth, nc={count}, cnonce="{own}"'
        )
        if "opaque" in said:
            value += f', opaque="{said["opaque"]}"'
        return {
            name.replace("WWW-Authenticate", "Authorization").replace(
                "Proxy-Authenticate", "Proxy-Authorization"
            ): value
        }


class Sound:
    """A socket that sends A-law silence and counts what it hears: the media of one call."""

    def __init__(self, here: str = HOST) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((here, 0))
        self.port: int = self.socket.getsockname()[1]
        self._sent = 0

    def send(self, answer: Message) -> None:
        """Send 20 ms to where this answer, or this INVITE, wants its audio."""
        found = re.search(r"^m=audio (\d+) ", answer.body, re.MULTILINE)
        where = re.search(r"^c=IN IP4 (\S+)", answer.body, re.MULTILINE)
        assert found and where, answer.text
        head = struct.pack("!BBHII", 0x80, 8, self._sent & 0xFFFF, self._sent * 160, 0x5EED)
        self.socket.sendto(head + b"\xd5" * 160, (where.group(1), int(found.group(1))))
        self._sent += 1

    def loses(self) -> None:
        """The next 20 ms are lost on the way."""
        self._sent += 1

    def talks(self, answer: Message, seconds: float, *, lost_of: int = 0) -> int:
        """Send for so long, as a phone does; how many packets came back meanwhile. `lost_of`: one of so many is lost on
        the way, none with 0.
        """
        self.socket.setblocking(False)
        came, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            if lost_of and self._sent % lost_of == 0:
                self.loses()
            else:
                self.send(answer)
            time.sleep(0.02)
            try:
                while self.socket.recv(2048):
                    came += 1
            except BlockingIOError:
                continue
        return came

    def close(self) -> None:
        """Hear nothing more."""
        self.socket.close()


def _first_message(stream: bytes) -> tuple[bytes, bytes] | None:
    """The first message of a stream, and what comes behind it; None if it is not whole (RFC 3261, 18.3)."""
    head, end, rest = stream.partition(b"\r\n\r\n")
    found = re.search(rb"^(?:Content-Length|l)\s*:\s*(\d+)", head, re.MULTILINE | re.IGNORECASE)
    length = int(found.group(1)) if found else 0
    if not end or len(rest) < length:
        return None
    return head + end + rest[:length], rest[length:]


def _uri(contact: str) -> str:
    found = re.search(r"<([^>]+)>", contact)
    return found.group(1) if found else contact.partition(";")[0]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()  # RFC 2617
