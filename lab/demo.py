"""The two calls that `make run` places, as any foreign SIP phone would: with nothing but what run.json tells."""

from __future__ import annotations

from pathlib import Path

from lab import sipp
from lab.far_end import NUMBERS
from lab.root import Program
from lab.sample import SampleProfile

_SCENARIOS = sipp.SCENARIOS / "first-call"


def place_two_calls(
    program: Program, folder: Path, sip: tuple[str, int], carrier: tuple[str, int], profile: SampleProfile
) -> list[str]:
    """One call out by the carrier, one in to the profile's PBX, of two seconds each; what went wrong, in words."""
    failed = []
    pbx = (profile.username, sipp.authentication(profile.username, profile.password), NUMBERS["answered"])
    somebody = ("+442079460999", "", profile.numbers[0])
    out = sipp.Run(program, _SCENARIOS / "outgoing.xml", folder / "outgoing", sip, rows=(pbx,))
    into = sipp.Run(program, _SCENARIOS / "incoming.xml", folder / "incoming", carrier, rows=(somebody,))
    for what, run in (("outgoing", out), ("incoming", into)):
        result = run.start().wait(20)
        if result.successful != 1:
            failed.append(f"the {what} call failed: {result.why()}")
    return failed
