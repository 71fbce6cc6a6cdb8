"""The ports of one lab, all counted from one base, and the check that they are free."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from lab.errors import LabError

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Where each part listens on loopback. RTP ranges lie below the kernel's ephemeral ports (32768 and up)."""

    sip: int
    tls: int
    carrier: int
    pbx: int
    ari: int
    ami: int
    fastagi: int
    web: int
    copies: int
    rtp: tuple[int, int]
    carrier_rtp: tuple[int, int]

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """Twelve ports from `base` up. All labs share the RTP ranges: Asterisk tries another port if one is taken."""
        if not (1024 <= base <= 15900 or 33000 <= base <= 65000):
            raise LabError(f"PORT_BASE is {base}: it has to be in 1024..15900 or 33000..65000 (RTP lies between)")
        return cls(
            sip=base,
            tls=base + 1,
            carrier=base + 10,
            pbx=base + 11,
            ari=base + 2,
            ami=base + 3,
            fastagi=base + 4,
            web=base + 5,
            copies=base + 6,
            rtp=(16000, 21999),
            carrier_rtp=(22000, 27999),
        )

    def check_free(self) -> None:
        """Raise LabError, naming the first port that somebody else uses."""
        udp, tcp = socket.SOCK_DGRAM, socket.SOCK_STREAM
        for what, port, kind in (
            ("SIP", self.sip, udp),
            ("SIP", self.sip, tcp),
            ("SIP over TLS", self.tls, tcp),
            ("the carrier", self.carrier, udp),
            ("the sample PBX", self.pbx, udp),
            ("ARI", self.ari, tcp),
            ("AMI", self.ami, tcp),
            ("FastAGI", self.fastagi, tcp),
            ("the web pages", self.web, tcp),
            ("copies of SIP messages", self.copies, udp),
        ):
            if not is_free(port, kind):
                name = "udp" if kind is udp else "tcp"
                raise LabError(
                    f"port {port}/{name} for {what} is in use on {HOST}: end what uses it, or choose other ports "
                    f"with 'make run PORT_BASE=14060'"
                )


def is_free(port: int, kind: socket.SocketKind) -> bool:
    """Whether `port` can be bound on loopback right now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:  # as the servers do: a port in TIME_WAIT is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_udp_port() -> int:
    """A UDP port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
