"""Profiles: each with its channels, credit, signing in, numbers; and the forms that change them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

from connector.billing import calls, credit, history, limits, nodes, numbers, plans, profiles, traffic
from connector.billing.credit import Credit
from connector.billing.history import Wanted
from connector.billing.plans import Subscription
from connector.billing.profiles import Credentials, ProfileView
from connector.billing.traffic import MixAdvice
from connector.core import advice, connect, formats, numbering
from connector.core.access import Scope
from connector.core.formats import shown
from connector.core.holds import lasts_ms
from connector.core.paging import MOST_ROWS, Turn, turn
from connector.core.plans import MOST_CHANNELS
from connector.core.terms import term
from connector.errors import BadInput
from connector.routing import reachability, routes
from connector.routing.reachability import Seen
from connector.web.endpoint import Ask, claims_addresses, may_claim_address
from connector.web.render import when
from connector.web.site.frame import (
    Block,
    Form,
    Line,
    Money,
    MoneyOrNone,
    NumberOrNone,
    Outcome,
    Quote,
    Shown,
    SitePages,
    TextOrNone,
    entry,
    following,
    from_to,
)
from connector.web.site.speaking import PbxSpeaking
from connector.words import grouped, marked, tr, tr_n

pages = SitePages()

MOST_CHOICES = 200
ADVISED_AGAIN_MS = 300_000
PROFILE = "/profiles/{profile}"
ROWS = 50


@pages.get("/profiles", "profiles.read")
def profile_list(ask: Ask) -> Shown:
    """All profiles, page by page."""
    asked = {name: ask.query[name] for name in ("name", "status") if ask.query.get(name)}
    found = profiles.page_of(
        ask.scope, turn(ask.query.get("cursor"), ROWS, "ss"), asked.get("status"), asked.get("name")
    )
    return Shown(
        "profiles.html", {"page": found, "following": following(found, asked), "credits": credit.available(ask.scope)}
    )


@pages.get(PROFILE, "profiles.read")
def profile_page(ask: Ask) -> Shown:
    """One profile, whole."""
    found = profiles.show_profile(ask.path["profile"])
    own = Scope(ask.scope.company, profiles.profile_id(found.username))
    live = calls.now_of(own, ask.now)
    have = credit.credit(found.username, ask.now)
    burn = live.credit_burn_micros.get(found.username, 0)
    spent = live.credit_spent_micros.get(found.username, 0)
    return Shown(
        "profile.html",
        {
            "profile": found,
            "live": live,
            "credit": have,
            "claims_addresses": claims_addresses(ask.actor),
            "left_ms": lasts_ms(have.available_micros, have.held_micros, spent, burn),
            "subscription": plans.show(found.username),
            "numbers": numbers.page_of(own, Turn(None, MOST_ROWS)).items,
            "accounts": routes.account_page(own, Turn(None, MOST_ROWS)).items,
            "reach": _reach(found, ask.now),
            "cdrs": history.cdr_page(own, Turn(None, 10), Wanted()).items,
        },
    )


def _reach(profile: ProfileView, now: int) -> list[Seen]:
    """Whether a PBX is reachable, on each node that is there. A suspended profile's is not looked after."""
    if profile.role == "client" or profile.state == "suspended":
        return []
    away = {node.name for node in nodes.list_nodes(now) if not node.is_here}
    return [each for each in reachability.of_endpoint(profile.username) if each.node not in away]


@pages.get(PROFILE + "/connection", "profiles.read")
def connection_page(ask: Ask) -> Shown:
    """What the PBX's admin types."""
    found = profiles.show_profile(ask.path["profile"])
    form = ask.query.get("form", "generic")
    if found.role == "client":
        text = connect.own_dialplan(found.username, found.options.context)
        return Shown("connection.html", {"profile": found, "form": form, "lines": [], "text": text})
    page = profiles.connection(found, ask.place.sip)
    lines = connect.freepbx(page) if form == "freepbx" else [] if form == "asterisk" else connect.table(page)
    text = connect.asterisk(page) if form == "asterisk" else ""
    return Shown("connection.html", {"profile": found, "form": form, "lines": lines, "text": text})


@pages.form("/profiles/new", "profiles.write", "Set up a SIP profile", of_company=True, back="/profiles")
class NewProfile(Form):
    """A profile; how its PBX signs in is chosen here, channels are bought next."""

    button: ClassVar[str] = "Create"
    name: str = entry("Name of the profile", hint="For example the office or the department.")
    auth: str = entry(
        "How the PBX signs in",
        "registration",
        choices=[
            ("registration", marked("It registers, with a user name and a password")),
            ("ip", marked("By its IP address")),
        ],
    )
    address: TextOrNone = entry("Public IP address", None, hint="Only if it signs in by its address.")
    port: NumberOrNone = entry("UDP port", 5060, kind="number")
    country: TextOrNone = entry("Country", None, hint="Two letters, like GB: the country in which its phones dial.")
    billing_address: str = entry(
        "Billing address", "", kind="area", hint="You can leave this and the contact empty, and add them later."
    )
    contact: str = entry("Contact", "", kind="area", hint="Whom to ask about this profile.")

    def do(self, ask: Ask) -> Outcome:
        """Create it."""
        if self.auth == "ip" and self.address is None:
            raise BadInput("Enter the address from which the PBX calls.")
        at = (self.address or "", self.port or 5060) if self.auth == "ip" else None
        if at is not None:
            may_claim_address(ask.actor)
        country = numbering.checked_country(self.country.upper()) if self.country else None
        made = profiles.create_profile(self.name, 0, ask.place.sip.realm, ask.now, ask.company, at=at, country=country)
        limits.begin(made.username, ask.place.usual_limits)
        if self.billing_address or self.contact:
            profiles.set_contact(made.username, self.billing_address, self.contact)
        return _with_password(ask, made, tr("{name} is set up", name=self.name))


def _with_password(ask: Ask, made: Credentials, said: str) -> Outcome:
    """All connection data with the password, which is known only now; for a PBX without one, nothing to copy."""
    to = f"/profiles/{made.username}"
    if not made.password:
        return Outcome(to, said)
    found = profiles.connection(profiles.show_profile(made.username), ask.place.sip)
    page = replace(found, password=made.password)
    blocks = (Block(tr("FreePBX"), tuple(connect.freepbx(page))), Block(tr("Asterisk"), text=connect.asterisk(page)))
    return Outcome(to, said, tuple(connect.table(page)), blocks)


@pages.form(PROFILE + "/rename", "profiles.write", "Rename a profile", back=PROFILE)
class Rename(Form):
    """Another name."""

    name: str = entry("Name")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The name it has."""
        return {"name": profiles.show_profile(ask.path["profile"]).name}

    def do(self, ask: Ask) -> Outcome:
        """Rename it."""
        profiles.rename(ask.path["profile"], self.name)
        return Outcome(f"/profiles/{ask.path['profile']}", tr("It is called {name} now", name=self.name))


@pages.form(PROFILE + "/state", "profiles.write", "Suspend or open a profile", back=PROFILE)
class State(Form):
    """Whether it makes and takes new calls."""

    state: str = entry(
        "New calls",
        choices=[
            ("open", marked("As usual")),
            ("draining", marked("None; calls that are up finish")),
            ("suspended", marked("None: suspended")),
        ],
    )

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The state it has."""
        return {"state": profiles.show_profile(ask.path["profile"]).state}

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        profiles.set_state(ask.path["profile"], self.state)
        return Outcome(f"/profiles/{ask.path['profile']}", tr("The profile is {state} now", state=term(self.state)))


@pages.form(PROFILE + "/sip", "profiles.write", "How its PBX speaks SIP", back=PROFILE)
class Speaks(PbxSpeaking):
    """Transport, codecs and the like."""

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """When it is this that one wants."""
        return tr("These settings suit most PBXs. Calls in progress continue.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As it is."""
        found = profiles.show_profile(ask.path["profile"])
        if found.role == "client":
            raise BadInput("This Asterisk is the PBX. The SIP settings for its provider are on the page Trunks.")
        return cls.spoken(found.options)

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        profiles.change(ask.path["profile"], options=self.options(ask))
        return Outcome(f"/profiles/{ask.path['profile']}", tr("Saved. Asterisk gets it in a moment."))


@pages.form(PROFILE + "/address", "profiles.write", "Where its PBX calls from", back=PROFILE)
class Address(Form):
    """The address and port by which it is known."""

    address: str = entry("Public IP address")
    port: int = entry("UDP port", 5060, kind="number", ge=1, le=65535)

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As it is."""
        found = profiles.show_profile(ask.path["profile"])
        return {"address": found.address or "", "port": found.port or ""}

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        may_claim_address(ask.actor)
        profiles.change(ask.path["profile"], at=(self.address, self.port))
        return Outcome(f"/profiles/{ask.path['profile']}", tr("Saved. Asterisk gets it in a moment."))


@pages.form(PROFILE + "/rotate", "profiles.secret", "Make a new password", back=PROFILE)
class Rotate(Form):
    """A new password for the PBX."""

    button: ClassVar[str] = "Make a new password"
    hours: int = entry("Hours for which the old password stays valid", 24, kind="number", ge=0, le=720)

    def do(self, ask: Ask) -> Outcome:
        """Make it."""
        made = profiles.rotate(ask.path["profile"], ask.now, self.hours * 3_600_000)
        return _with_password(ask, made, tr("The new password"))


class _Subscribing(Form):
    """What buying and changing have in common. `channels` of the address is what somebody was advised to buy."""

    quotes_as_typed: ClassVar[bool] = True

    @classmethod
    def suggested(cls, ask: Ask) -> dict[str, Any]:
        """What was advised."""
        return _wanted_channels(ask)

    channels: int = entry(
        "Calling channels", kind="number", hint="1 to 300 calls at once; above 100 they are sold in tens.", ge=1, le=300
    )
    bundles: int = entry(
        "US minute bundles",
        0,
        kind="number",
        hint="5,000 minutes each for 30 days; no more than channels.",
        ge=0,
        le=300,
    )

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What they cost."""
        price = plans.prices(ask.company)
        channel, bundle = shown(price.channel_micros, price.currency), shown(price.bundle_micros, price.currency)
        costs = tr(
            "30 days of a channel are {channel}, of a bundle {bundle}. The company's balance pays, not the profile.",
            channel=channel,
            bundle=bundle,
        )
        advised = advised_channels(ask.path["profile"], ask.now // ADVISED_AGAIN_MS)
        if advised is None:
            return costs
        needs = tr_n("By its calls it needs {count} channel.", "By its calls it needs {count} channels.", advised)
        return f"{costs} {needs}"

    price: NumberOrNone = entry("Price", None, kind="pinned")

    def quote(self, ask: Ask) -> Quote | None:
        """What it would cost, and until when."""
        found = plans.quote(ask.path["profile"], self.channels, self.bundles, ask.now)
        return Quote(_quoted(ask, found), {"price": str(found.charged_micros)})

    def as_shown(self, made: Subscription) -> None:
        """BadInput, and nothing is done, if the price is another one than was shown."""
        if made.charged_micros != self.price:
            raise BadInput("The price has changed. Check the new price.")


@lru_cache(maxsize=256)
def advised_channels(username: str, interval: int) -> int | None:
    """How many channels a profile needs by its own calls, looked up once in an interval: a form is shown again with
    each error, and a busy profile has many calls. None before its first.
    """
    try:
        return advice.by_busiest(traffic.measured(username), advice.USUAL_BLOCKING).to_buy
    except BadInput:
        return None


def _wanted_channels(ask: Ask) -> dict[str, Any]:
    """The channels that the address of the page names: what somebody was advised to buy."""
    text = ask.query.get("channels", "")
    return {"channels": text} if re.fullmatch("[1-9][0-9]{0,2}", text) and int(text) <= MOST_CHANNELS else {}


def _quoted(ask: Ask, found: Subscription) -> list[Line]:
    lines = [(tr("Channels"), str(found.channels)), (tr("US minute bundles"), str(found.bundles))]
    if found.refund_micros:
        lines.append((tr("Given back for the running term"), shown(found.refund_micros, found.currency)))
    lines.append((tr("To pay now"), shown(found.charged_micros, found.currency)))
    if found.refund_micros:
        lines.append((tr("Both together"), shown(found.charged_micros - found.refund_micros, found.currency)))
    lines.append((tr("Renews on"), when(found.ends_at, ask.zone)))
    lines.append((tr("Each renewal"), shown(found.term_price_micros, found.currency)))
    balance = credit.balance(ask.company)
    # What would be is tried out in this transaction, so this is the balance after it.
    left = balance.available_micros + found.refund_micros - found.charged_micros
    return [*lines, (tr("Balance afterwards"), shown(left, found.currency))]


@pages.form(PROFILE + "/channels", "money.move", "Buy a channel subscription", once=True, back=PROFILE)
class BuyChannels(_Subscribing):
    """The first subscription."""

    button: ClassVar[str] = "Buy now"

    def do(self, ask: Ask) -> Outcome:
        """Buy."""
        made = plans.buy(ask.path["profile"], self.channels, self.bundles, ask.now)
        self.as_shown(made)
        paid = shown(made.charged_micros, made.currency)
        return Outcome(
            f"/profiles/{ask.path['profile']}",
            tr("{channels} channels were bought for {paid}", channels=made.channels, paid=paid),
        )


@pages.form(PROFILE + "/channels/change", "money.move", "Change subscription", once=True, back=PROFILE)
class ChangeChannels(_Subscribing):
    """Other channels or bundles, from now on."""

    button: ClassVar[str] = "Buy now"
    warning: ClassVar[str] = (
        "The current term ends now and its unused share is refunded; a new term of 30 days"
        " begins. This is possible once a day."
    )

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What runs."""
        found = plans.show(ask.path["profile"])
        return {"channels": found.channels, "bundles": found.bundles}

    def do(self, ask: Ask) -> Outcome:
        """Change."""
        made = plans.change(ask.path["profile"], self.channels, self.bundles, ask.now)
        self.as_shown(made)
        paid, back = shown(made.charged_micros, made.currency), shown(made.refund_micros, made.currency)
        said = tr(
            "{channels} channels from now on: {paid} paid, {back} refunded",
            channels=made.channels,
            paid=paid,
            back=back,
        )
        return Outcome(f"/profiles/{ask.path['profile']}", said)


@pages.form(PROFILE + "/channels/cancel", "money.move", "Cancel subscription", once=True, back=PROFILE)
class CancelChannels(Form):
    """No renewal."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Cancel subscription"
    warning: ClassVar[str] = "You are about to cancel the channel subscription of this profile."

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """The date."""
        found = plans.show(ask.path["profile"])
        if found.ends_at is None:
            return tr("It has no subscription.")
        until = when(found.ends_at, ask.zone)
        return tr(
            "The {channels} channels stay until {until}; then nobody can call any more.",
            channels=found.channels,
            until=until,
        )

    def do(self, ask: Ask) -> Outcome:
        """Cancel."""
        made = plans.cancel(ask.path["profile"], ask.now)
        return Outcome(
            f"/profiles/{ask.path['profile']}",
            tr("The subscription ends on {ends_at}", ends_at=when(made.ends_at, ask.zone)),
        )


@pages.form(PROFILE + "/channels/keep", "money.move", "Keep subscription", once=True, back=PROFILE)
class KeepChannels(Form):
    """It renews after all."""

    button: ClassVar[str] = "Keep subscription"

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """The date, and the price."""
        found = plans.show(ask.path["profile"])
        if found.ends_at is None:
            return tr("It has no subscription.")
        price = shown(found.term_price_micros, found.currency)
        return tr(
            "The subscription renews on {until} then, for {price}.", until=when(found.ends_at, ask.zone), price=price
        )

    def do(self, ask: Ask) -> Outcome:
        """Keep it."""
        made = plans.keep(ask.path["profile"], ask.now)
        said = tr("The subscription renews on {until}", until=when(made.ends_at, ask.zone))
        return Outcome(f"/profiles/{ask.path['profile']}", said)


@pages.form(PROFILE + "/credit/add", "money.move", "Add credit", once=True, back=PROFILE)
class AddCredit(Form):
    """From the balance to the profile."""

    button: ClassVar[str] = "Add credit"
    amount: Money = entry("Amount", hint="For outgoing calls of this profile, from the company's balance.")

    def quote(self, ask: Ask) -> Quote | None:
        """Both balances, before and after."""
        return _moved(ask, self.amount, credit.add)

    def do(self, ask: Ask) -> Outcome:
        """Add."""
        made = credit.add(ask.path["profile"], self.amount, ask.key, ask.now)
        return Outcome(
            f"/profiles/{ask.path['profile']}", tr("{amount} were added", amount=shown(self.amount, made.currency))
        )


@pages.form(PROFILE + "/credit/take-back", "money.move", "Take back credit", once=True, back=PROFILE)
class TakeBack(Form):
    """From the profile to the balance."""

    button: ClassVar[str] = "Take back credit"
    amount: Money = entry("Amount", hint="What calls hold right now stays with the profile.")

    def quote(self, ask: Ask) -> Quote | None:
        """Both balances, before and after."""
        return _moved(ask, self.amount, credit.take_back)

    def do(self, ask: Ask) -> Outcome:
        """Take back."""
        made = credit.take_back(ask.path["profile"], self.amount, ask.key, ask.now)
        return Outcome(
            f"/profiles/{ask.path['profile']}", tr("{amount} were taken back", amount=shown(self.amount, made.currency))
        )


def _moved(ask: Ask, amount: int, move: Callable[[str, int, str, int], Credit]) -> Quote:
    """What moving credit does to both balances."""
    username = ask.path["profile"]
    have, balance = credit.credit(username, ask.now), credit.balance(ask.company)
    after, rest = move(username, amount, f"quote:{ask.now}", ask.now), credit.balance(ask.company)
    return Quote(
        [
            (tr("Amount"), shown(amount, have.currency)),
            (tr("Moves"), tr("{when}, at once", when=when(ask.now, ask.zone))),
            (tr("Credit of the profile"), from_to(have.available_micros, after.available_micros, have.currency)),
            (tr("Balance of the company"), from_to(balance.available_micros, rest.available_micros, have.currency)),
        ]
    )


@pages.form(PROFILE + "/recharge", "money.move", "Auto-recharge settings", once=True, back=PROFILE)
class Recharge(Form):
    """Whether credit comes by itself."""

    button: ClassVar[str] = "Save changes"
    amount: MoneyOrNone = entry("Recharge with", None, hint="Leave all of it empty for none.")
    threshold: MoneyOrNone = entry("When balance falls below", None)
    limit: MoneyOrNone = entry("At most in a calendar month", None, hint="Empty: no limit.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What is set."""
        have = credit.credit(ask.path["profile"], ask.now)
        kept = (have.recharge_amount_micros, have.recharge_threshold_micros, have.recharge_monthly_limit_micros)
        texts = (formats.field(each, have.currency) for each in kept)
        return dict(zip(("amount", "threshold", "limit"), texts, strict=True))

    def quote(self, ask: Ask) -> Quote | None:
        """What moves now, and what from now on."""
        have = credit.credit(ask.path["profile"], ask.now)
        self.do(ask)
        then = credit.credit(ask.path["profile"], ask.now)
        kept = (then.recharge_amount_micros, then.recharge_threshold_micros, then.recharge_monthly_limit_micros)
        amount, threshold, limit = (tr("none") if each is None else shown(each, then.currency) for each in kept)
        return Quote(
            [
                (tr("Moves now"), shown(then.available_micros - have.available_micros, then.currency)),
                (tr("Recharge with"), amount),
                (tr("When balance falls below"), threshold),
                (tr("At most in a calendar month"), limit),
            ]
        )

    def do(self, ask: Ask) -> Outcome:
        """Save."""
        username = ask.path["profile"]
        if self.amount is None and self.threshold is None:
            credit.stop_recharge(username, ask.now)
            return Outcome(f"/profiles/{username}", tr("Auto-recharge is off"))
        if self.amount is None or self.threshold is None:
            raise BadInput("Enter both the amount to recharge and the balance below which to recharge.")
        credit.set_recharge(username, self.amount, self.threshold, self.limit, ask.now)
        return Outcome(f"/profiles/{username}", tr("Auto-recharge is set"))


def _mixes(found: MixAdvice) -> dict[str, Any]:
    """The cheapest mix, beside what is bought."""
    mixes = [(tr("Cheapest"), found.best), *([(tr("Bought now"), found.bought)] if found.bought else [])]
    rows = [
        [words, str(mix.channels), str(mix.bundles)]
        + [shown(sum_, found.currency) for sum_ in (mix.term_price_micros, mix.calls_micros, mix.total_micros)]
        for words, mix in mixes
    ]
    return {
        "title": tr(
            "Channels and bundles, for the calls of 30 days ({minutes} US minutes)",
            minutes=grouped(found.us_seconds // 60),
        ),
        "heads": [tr("Mix"), tr("Channels"), tr("Bundles"), tr("For a term"), tr("US calls besides"), tr("Together")],
        "rows": rows,
        "empty": "",
    }


@pages.get("/advice", "profiles.read")
def advice_page(ask: Ask) -> Shown:
    """How many channels do I need?"""
    asked = {name: ask.query.get(name, "").strip()[:40] for name in ("profile", "erlangs")}
    values: dict[str, Any] = {
        "asked": asked,
        "wrong": "",
        "profile": None,
        "found": None,
        "measured": None,
        "mix": None,
    }
    try:
        if asked["profile"]:
            ask.mine("profile", asked["profile"])
            values["profile"] = profiles.show_profile(asked["profile"])
        if asked["erlangs"]:
            values["found"] = advice.by_erlangs(
                advice.number(asked["erlangs"].replace(",", "."), marked("the traffic")), advice.USUAL_BLOCKING
            )
        elif asked["profile"]:
            values["measured"] = traffic.measured(asked["profile"])
            values["found"] = advice.by_busiest(values["measured"], advice.USUAL_BLOCKING)
            if "money.read" in ask.actor.permissions:
                values["mix"] = _mixes(
                    traffic.cheapest(asked["profile"], advice.USUAL_BLOCKING, ask.now, values["measured"])
                )
    except BadInput as error:
        values["wrong"] = error.translated()
    names = profiles.names(Scope(ask.scope.company, ask.scope.profile))
    own = {each.username: each.name for each in [values["profile"]] if each}
    values["names"] = [*own.items(), *sorted(set(names.items()) - set(own.items()), key=lambda each: each[1])]
    values["names"] = values["names"][:MOST_CHOICES]
    sold = [(most, advice.by_employees(most).to_buy) for most, _ in advice.BY_EMPLOYEES]
    return Shown("advice.html", {**values, "by_employees": sold})
