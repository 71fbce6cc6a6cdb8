"""How well a call sounds, from what RTCP says: loss, jitter, and the round-trip time. Pure.

The score is a MOS in hundredths, 100 (bad) to 450: the E-model of ITU-T G.107 with its usual values, its delay in the
form of Cole and Rosenbluth (2001), and what codecs and losses take from it as in ITU-T G.113, appendix I. Phones are
taken to conceal losses, as most do. A wideband codec is scored on the scale of the telephone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_R = 93.2
FRAME_MS = 20.0
# Of a codec: what it takes from R by itself (Ie), and how well it stands losses (Bpl).
_CODECS = {
    "alaw": (0.0, 25.1),
    "ulaw": (0.0, 25.1),
    "g722": (0.0, 25.1),
    "opus": (0.0, 25.1),
    "slin": (0.0, 25.1),
    "g726": (7.0, 25.1),
    "g729": (11.0, 19.0),
    "ilbc": (11.0, 32.0),
    "gsm": (20.0, 10.0),
    "speex": (11.0, 19.0),
}
_UNKNOWN = (11.0, 19.0)
# From which MOS on a call sounds so.
GOOD, FAIR = 400, 350


@dataclass(frozen=True)
class Stream:
    """The sound of one direction: how many packets came, how many were lost, and how their times varied, in us."""

    packets: int
    lost: int
    jitter_us: int

    @property
    def loss(self) -> int:
        """How many were lost, in hundredths of a percent."""
        whole = self.packets + self.lost
        return round(10_000 * self.lost / whole) if whole else 0


@dataclass(frozen=True)
class Leg:
    """The sound of a leg. `side`: pbx or trunk; `heard`: what came from there; `told`: what the far end said that it
    got from us, None if it said nothing. `rtt_us`: the round-trip time, None if that is not known.
    """

    side: str
    codec: str
    heard: Stream
    told: Stream | None
    rtt_us: int | None

    @property
    def mos(self) -> int:
        """Of its worse direction."""
        return min(mos(self.codec, each, self.rtt_us or 0) for each in (self.heard, self.told) if each is not None)


def leg(side: str, codec: str, said: Mapping[str, Any]) -> Leg | None:
    """A leg by Asterisk's statistics of it (GET /channels/{id}/rtp_statistics, times in seconds). None if nothing came
    from there yet. Losses are counted with each report of RTCP, every five seconds, packets as they come. The mean
    jitter is taken: `txjitter` is the one heard, and `rxjitter` the one reported (measured on 22.10.1).
    """
    if int(said.get("rxcount", 0)) <= 0:
        return None
    heard = Stream(int(said["rxcount"]), _lost(said, "rxploss", 32), _us(said, "local_normdevjitter"))
    far = Stream(int(said.get("txcount", 0)), _lost(said, "txploss", 24), _us(said, "remote_normdevjitter"))
    rtt_us = _us(said, "normdevrtt") or _us(said, "rtt")
    reports = bool(far.lost or far.jitter_us or rtt_us)  # a far end without RTCP says nothing of all that
    return Leg(side, codec, heard, far if reports else None, rtt_us or None)


def mos(codec: str, stream: Stream, rtt_us: int) -> int:
    """How a direction sounds. `codec` as Asterisk names it."""
    base, robust = _CODECS.get(codec.rstrip("0123456789") if codec.startswith("slin") else codec, _UNKNOWN)
    delay_ms = rtt_us / 2_000 + 2 * stream.jitter_us / 1_000 + FRAME_MS
    by_delay = 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)
    loss = stream.loss / 100  # percent
    by_codec = base + (95 - base) * loss / (loss + robust)
    r = max(0.0, min(100.0, MOST_R - by_delay - by_codec))
    return round(100 * max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6))


def _lost(said: Mapping[str, Any], name: str, bits: int) -> int:
    """Asterisk counts without a sign, in so many bits: where packets came twice, fewer than none were lost, and that is
    a number near the end (res_rtp_asterisk.c; RFC 3550, 6.4.1).
    """
    lost = int(said.get(name, 0))
    return lost if 0 <= lost < 1 << (bits - 1) else 0


def _us(said: Mapping[str, Any], name: str) -> int:
    return round(1_000_000 * max(0, said.get(name) or 0))
