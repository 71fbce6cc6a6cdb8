"""What a profile may dial and spend, what its calls show, whose numbers its phones dial, and whose it is."""

from __future__ import annotations

from typing import Any

from connector.billing import limits, profiles
from connector.core import formats, money
from connector.core.service_numbers import ServiceNumber
from connector.errors import BadInput
from connector.routing import service_numbers
from connector.web.endpoint import Ask
from connector.web.site.frame import (
    Form,
    LimitOrNone,
    Line,
    NumberOrNone,
    Outcome,
    PriceOrNone,
    SitePages,
    TextOrNone,
    entry,
)
from connector.words import marked, tr

pages = SitePages()

PROFILE = "/profiles/{profile}"
_NONE = marked("Empty: no limit.")


@pages.form(PROFILE + "/limits", "money.move", "Limits", back=PROFILE)
class Limits(Form):
    """What it may spend and dial."""

    price_per_minute: PriceOrNone = entry("Highest price per minute", None, hint=_NONE)
    call: LimitOrNone = entry("Most for one call", None, hint=_NONE)
    day: LimitOrNone = entry("Most in 24 hours", None, hint=_NONE)
    month: LimitOrNone = entry("Most in a calendar month", None, hint=_NONE)
    calls_per_second: NumberOrNone = entry("New calls a second", None, kind="number", hint=_NONE, ge=1, le=1_000_000)
    attempts_per_number: NumberOrNone = entry(
        "Calls to one number an hour", None, kind="number", hint=_NONE, ge=1, le=1_000_000
    )
    uses_company_balance: bool = entry(
        "When its bundles are used up, the company's balance pays for calls to the United States",
        default=False,
        kind="check",
    )
    allowed: str = entry(
        "May be dialled",
        "",
        kind="area",
        hint="One prefix per line, for example +4490. The longest one that fits decides.",
    )
    blocked: str = entry(
        "May not be dialled", "", kind="area", hint="One prefix per line; + alone stands for every number."
    )

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As they are."""
        found = limits.show(ask.path["profile"])
        sums = {name: getattr(found, f"{name}_micros") for name in ("price_per_minute", "call", "day", "month")}
        counts = {name: getattr(found, name) for name in ("calls_per_second", "attempts_per_number")}
        return {
            **{name: formats.field(micros, ask.currency) for name, micros in sums.items()},
            **{name: "" if count is None else count for name, count in counts.items()},
            "uses_company_balance": found.uses_company_balance,
            "allowed": "\n".join(found.allowed),
            "blocked": "\n".join(found.blocked),
        }

    def do(self, ask: Ask) -> Outcome:
        """All of it, or nothing."""
        profile = ask.path["profile"]
        allowed, blocked = self.allowed.split(), self.blocked.split()
        both = sorted({*allowed} & {*blocked})
        if both:
            raise BadInput("{both} is in both lists. Keep it in one of them.", both=both[0])
        before = limits.show(profile)
        changes: dict[str, int | bool | None] = {
            "price_per_minute_micros": self.price_per_minute,
            "call_micros": self.call,
            "day_micros": self.day,
            "month_micros": self.month,
            "calls_per_second": self.calls_per_second,
            "attempts_per_number": self.attempts_per_number,
            "uses_company_balance": self.uses_company_balance,
        }
        rules = [*((prefix, True) for prefix in allowed), *((prefix, False) for prefix in blocked)]
        limits.change(profile, changes, rules, [*before.allowed, *before.blocked])
        return Outcome(f"/profiles/{profile}", tr("The limits are set"))


@pages.form(PROFILE + "/service-numbers", "rates.write", "Service numbers", back=PROFILE)
class ServiceNumbers(Form):
    """Which short numbers it may call, and their prices."""

    numbers: str = entry(
        "Service numbers",
        "",
        kind="area",
        hint="Write one per line: number; fee per call; price per minute; name. Example: 101; 0.15; 0; Police. "
        "Calls are billed by the second.",
    )

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What they are."""
        return tr(
            "Calls to short numbers like 101, 111 or 411 are refused unless you list them here. Do"
            " not list emergency numbers: they always work."
        )

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As they are."""
        found = service_numbers.show(ask.path["profile"]).numbers
        return {"numbers": "\n".join(map(_service_line, found))}

    def do(self, ask: Ask) -> Outcome:
        """All of them, or nothing."""
        profile = ask.path["profile"]
        before = service_numbers.show(profile).numbers
        wanted = [_service_number(line) for line in self.numbers.splitlines() if line.strip()]
        service_numbers.change(profile, wanted, [each.digits for each in before])
        return Outcome(f"/profiles/{profile}", tr("The service numbers are set"))


def _service_line(number: ServiceNumber) -> str:
    fee, minute = (money.decimal(each) for each in (number.connection_fee_micros, number.price_per_minute_micros))
    return f"{number.digits}; {fee}; {minute}; {number.name}".rstrip("; ")


def _service_number(line: str) -> ServiceNumber:
    cells = [cell.strip() for cell in line.split(";", 3)]
    digits, fee, minute, name = cells + ["", "0", "0", ""][len(cells) :]
    return ServiceNumber(digits, name, money.amount(minute, zero=True), money.amount(fee, zero=True))


@pages.form(PROFILE + "/caller-id", "numbers.write", "Caller ID", back=PROFILE)
class CallerId(Form):
    """What calls out show."""

    policy: str = entry(
        "Calls out show",
        "pass",
        choices=(
            ("pass", marked("what the phone sends, if it is a number of the company")),
            ("fixed", marked("always the number below")),
            ("none", marked("no number")),
        ),
    )
    number: str = entry("Main number", "", kind="choice")
    foreign: str = entry(
        "A number that is not the company's",
        "replace",
        choices=(
            ("replace", marked("is replaced by the main number")),
            ("refuse", marked("is refused, with the call")),
        ),
    )
    withhold: str = entry(
        "Prefixes that hide the caller's number",
        "",
        hint="Dialled before a number, they hide the caller's number for that call. Examples:"
        " *67 141 #31#. Leave empty for none.",
    )

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As it is."""
        found = profiles.show_profile(ask.path["profile"]).caller_id
        return {
            "policy": found.policy,
            "number": found.number or "",
            "foreign": found.foreign,
            "withhold": " ".join(found.withhold),
        }

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """Its numbers."""
        found = profiles.show_profile(ask.path["profile"])
        own = dict.fromkeys([*found.numbers, *filter(None, [found.caller_id.number])])
        return {"number": [("", tr("the first that it has")), *((number, number) for number in own)]}

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        profile = ask.path["profile"]
        profiles.set_caller_id(profile, self.policy, self.number, self.foreign, self.withhold)
        return Outcome(f"/profiles/{profile}", tr("Calls show that from now on"))


@pages.form(PROFILE + "/contact", "profiles.write", "Billing address and contact", back=PROFILE)
class Contact(Form):
    """Where its bills go, and who is to be asked."""

    billing_address: str = entry("Billing address", "", kind="area")
    contact: str = entry("Contact", "", kind="area", hint="For example a name, an address or a telephone number.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As they are."""
        found = profiles.show_profile(ask.path["profile"])
        return {"billing_address": found.billing_address, "contact": found.contact}

    def do(self, ask: Ask) -> Outcome:
        """Set them."""
        profile = ask.path["profile"]
        profiles.set_contact(profile, self.billing_address, self.contact)
        return Outcome(f"/profiles/{profile}", tr("Set"))


@pages.form(PROFILE + "/country", "profiles.write", "Country and emergency numbers", back=PROFILE)
class Country(Form):
    """Whose numbers its phones dial."""

    country: TextOrNone = entry(
        "Country", None, hint="Two letters, for example GB. If empty, only international numbers can be dialled."
    )
    emergency: str = entry("Emergency numbers", "", hint="For example 112, 999. If empty, those of the country.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As they are."""
        found = profiles.show_profile(ask.path["profile"])
        return {"country": found.country or "", "emergency": ", ".join(found.emergency)}

    def do(self, ask: Ask) -> Outcome:
        """Set them."""
        profile = ask.path["profile"]
        before = profiles.show_profile(profile)
        profiles.set_country(profile, self.country)
        if self.emergency != ", ".join(before.emergency):
            profiles.set_emergency(profile, self.emergency)
        return Outcome(f"/profiles/{profile}", tr("Set"))
