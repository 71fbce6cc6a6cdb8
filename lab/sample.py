"""The sample company: what `make run` and the tests have in their store, and what run.json tells of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from connector.billing import credit, decks, numbers, profiles
from connector.clock import SystemClock
from connector.core.access import EVERYTHING
from connector.core.money import MICROS
from connector.core.paging import MOST_ROWS, Turn
from connector.core.sip import Options
from connector.errors import ConnectorError
from connector.people import users
from connector.routing import trunks
from connector.storage import stores
from lab.errors import LabError
from lab.instance import Instance, write_private
from lab.ports import HOST

COMPANY = "Sample Ltd"
OWNER = "owner@example.com"
TRUNK = "sample-carrier"
REALM = "asterisk"
BALANCE = 100_000 * MICROS
CREDIT = 5_000 * MICROS


@dataclass(frozen=True)
class SampleProfile:
    """One profile of the sample, with the password that its store does not keep."""

    name: str
    channels: int
    numbers: tuple[str, ...]
    username: str = ""
    password: str = ""


# Numbers for sale, of the ranges that Ofcom and NANPA keep for fiction: how they begin, how many, monthly fee.
STOCK = (("+4420794608", 10, "2.50", "GB"), ("+4416149608", 10, "2.00", "GB"), ("+121255501", 10, "1.50", "US"))
PROFILES = (
    SampleProfile("office", 300, ("+442079460100", "+442079460101")),
    SampleProfile("warehouse", 10, ("+442079460200",)),
)


def prepare(instance: Instance) -> list[SampleProfile]:
    """Make the store and the sample in it, or find both as an earlier run left them; the profiles, with passwords.

    An interrupted making is begun again.
    """
    kept = instance.folder / "profiles.json"
    try:
        if not kept.exists():
            for left in instance.folder.glob("connector.db*"):
                left.unlink()
        store = stores.opened(instance.store)
        store.migrate()
        try:
            if not kept.exists():
                _create(kept, instance.ports.carrier)
            _fund()
            trunks.change(TRUNK, host=HOST, port=instance.ports.carrier)  # the ports may be others than last time
        finally:
            store.close()
    except ConnectorError as error:
        raise LabError(str(error)) from error
    return [
        SampleProfile(row["name"], row["channels"], tuple(row["numbers"]), row["username"], row["password"])
        for row in json.loads(kept.read_text())
    ]


def welcome(instance: Instance) -> str:
    """The link by which the sample's owner signs in first; "" if they have a password already."""
    store = stores.opened(instance.store)
    try:
        now = SystemClock().now_ms()
        if not any(view.email == OWNER for view in users.page_of(EVERYTHING, Turn(None, MOST_ROWS)).items):
            users.create(OWNER, "Owner", "owner", now)
        owner = users.by_email(OWNER)
        return "" if owner.ready else users.link(owner.id, now)
    except ConnectorError as error:
        raise LabError(str(error)) from error
    finally:
        store.close()


def _fund() -> None:
    """Money, rates and credit for many hours of calls; once, however often it is called."""
    now = SystemClock().now_ms()
    credit.top_up(BALANCE, "sample", now, COMPANY)
    if not decks.list_decks(COMPANY):
        decks.load(decks.SAMPLE.read_text(), decks.SAMPLE.name, now, COMPANY)
    for profile in PROFILES:
        credit.add(profile.name, CREDIT, f"sample-{profile.name}", now)


def _create(kept: Path, carrier_port: int) -> None:
    now = SystemClock().now_ms()
    profiles.create_company(COMPANY, "GBP", "Europe/London", now)
    credit.top_up(BALANCE, "sample", now, COMPANY)  # the profiles' channels are paid from it
    sheet = [f"{first}{last},{fee},{country}" for first, count, fee, country in STOCK for last in range(50, 50 + count)]
    numbers.import_stock("\n".join(["number,monthly_fee,country", *sheet]), now, "GBP")
    # Not asked whether it is there: faults are to show in calls, and not to last until it is asked again.
    trunks.create_trunk(TRUNK, HOST, carrier_port, now, options=Options(qualify_s=0))
    rows = []
    for profile in PROFILES:
        made = profiles.create_profile(profile.name, profile.channels, REALM, now)
        for number in profile.numbers:
            numbers.add(number, profile.name, now)
        rows.append(
            {
                "name": profile.name,
                "username": made.username,
                "password": made.password,
                "channels": profile.channels,
                "numbers": list(profile.numbers),
            }
        )
    write_private(kept, json.dumps(rows))
