"""A company in the containers: its PBX and its carrier are outside, and call through the published ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import containers, process, sipp
from lab.containers import CARRIER, MACHINE, PBX, Stack
from lab.phone import Dialog, Phone
from lab.root import Program

NUMBER, DIALLED, ABROAD = "+442079460100", "+442079460001", "+442079460999"
PBX_PORT, CARRIER_PORT = 5080, 5070
WANTED = (
    "--role", "server", "--company", "Acme", "--currency", "GBP", "--time-zone", "Europe/London", "--country", "GB",
    "--carrier", f"{CARRIER}:{CARRIER_PORT}", "--channels", "20", "--credit", "50", "--number", NUMBER, "--yes",
)  # fmt: skip


@dataclass
class Office:
    """Where it calls, and as whom. `port`: of Asterisk, as published."""

    stack: Stack
    program: Program
    folder: Path
    username: str
    password: str
    port: int = 15060
    runs: int = 0

    def run(self, scenario: str, row: tuple[str, str, str] | None, **how: Any) -> sipp.Run:
        """SIPp outside, in a folder of its own; as the PBX, unless it is said otherwise."""
        self.runs += 1
        how = {"host": PBX, "port": PBX_PORT, **how}
        target = (MACHINE, how.pop("to_port", self.port))
        folder = self.folder / f"{self.runs:03d}"
        rows = (row,) if row else ()
        return sipp.Run(self.program, sipp.SCENARIOS / scenario, folder, target, rows=rows, **how)

    def caller(self, **how: Any) -> sipp.Run:
        """The PBX calls a number by the carrier."""
        row = (self.username, sipp.authentication(self.username, self.password), DIALLED)
        return self.run("hold-and-refuse/caller.xml", row, **how)

    def carrier(self, calls: int = 1000) -> sipp.Running:
        """The carrier, which answers every call."""
        return self.run("speed/carrier.xml", None, host=CARRIER, port=CARRIER_PORT, calls=calls).start()

    def cdrs(self, count: int) -> list[dict[str, Any]]:
        """The CDRs, newest first, as soon as there are so many."""
        found: list[dict[str, Any]] = []

        def are_there() -> bool:
            """Ask for them."""
            found[:] = self.stack.connector("cdr", "list", "--limit", "1000")
            return len(found) >= count

        assert process.waited(are_there, 10, 0.5), found
        return found

    def live(self) -> list[dict[str, Any]]:
        """The calls that are up."""
        found: list[dict[str, Any]] = self.stack.connector("calls")
        return found


@contextmanager
def phones(office: Office) -> Iterator[tuple[Phone, Phone]]:
    """The PBX and the carrier as phones that do what a test says. The PBX is registered."""
    with containers.entered():
        user, word = office.username, office.password
        pbx = Phone(office.port, user, word, PBX_PORT, here=PBX, there=MACHINE)
        carrier = Phone(office.port, "carrier", "", CARRIER_PORT, here=CARRIER, there=MACHINE)
    try:
        assert pbx.register().status == 200
        yield pbx, carrier
    finally:
        pbx.close()
        carrier.close()


def talking(pbx: Phone, carrier: Phone) -> tuple[Dialog, Dialog]:
    """A call of the PBX that the carrier has answered: both ends of it."""
    out = pbx.call(DIALLED)
    there = carrier.rings()
    there.picks_up()
    out.answered()
    return out, there


def calls_both_ways(pbx: Phone, carrier: Phone) -> None:
    """A call out and one in, each answered and ended by its caller."""
    out, there = talking(pbx, carrier)
    assert out.bye() == 200
    there.wait(lambda message: message.method == "BYE", "the end of the call")
    into = carrier.call(NUMBER)
    pbx.rings().picks_up()
    into.answered()
    assert into.bye() == 200


def set_up(stack: Stack, program: Program, folder: Path) -> Office:
    """The company, made as a person would make it, with `connector setup`."""
    made = stack.connector("setup", *WANTED)
    assert made["test"]["carried"], made
    secrets = made["secrets"]
    stack.connector("trunk", "change", "carrier", "--qualify", "0")  # its phone hears nothing between two tests
    office = Office(stack, program, folder, secrets["user name"], secrets["password"])
    assert process.waited(lambda: office.username in stack.asterisk("pjsip show endpoints"), 15, 0.5)
    return office
