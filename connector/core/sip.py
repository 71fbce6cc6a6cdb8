"""What Asterisk has to know of profiles and carriers: values that billing hands to the generator of config."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SipAccount:
    """A profile whose PBX registers to us. `digest` is HA1 for `username` and `realm`, as good as the password."""

    username: str
    realm: str
    digest: str = field(repr=False)


@dataclass(frozen=True)
class CarrierTrunk:
    """A carrier that is known by address and UDP port."""

    name: str
    host: str
    port: int
