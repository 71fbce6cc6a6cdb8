"""Trunks to carriers and providers, and whether they and the PBXs can be reached."""

from __future__ import annotations

from typing import Any, ClassVar

from connector.billing import carriers, profiles
from connector.core import kept, numbering
from connector.core.access import Scope
from connector.core.sip import FAILOVER, Options, usual_port
from connector.core.terms import term
from connector.core.trunks import POLICIES, POLICY_WORDS, endpoint_of
from connector.errors import BadInput
from connector.routing import reachability, trunks
from connector.routing.trunks import SignIn
from connector.web.endpoint import Ask
from connector.web.render import when
from connector.web.site.frame import (
    Form,
    Line,
    NumberOrNone,
    Outcome,
    Quote,
    Shown,
    SitePages,
    TextOrNone,
    check_profile,
    company_or_profiles,
    entry,
    tables_page,
)
from connector.web.site.speaking import TrunkSpeaking
from connector.words import marked, tr

pages = SitePages()

TRUNK = "/trunks/{trunk}"


@pages.get("/trunks", "trunks.read")
def trunks_page(ask: Ask) -> Shown:
    """Every trunk and PBX: reached or not, since when, why."""
    scope, zone = Scope(ask.scope.company), ask.zone
    may = "trunks.write" in ask.actor.permissions
    reach: dict[str, list[str]] = {}
    for view in reachability.seen_by(scope):
        words = tr("{state} on {node} since {at}", state=term(view.state), node=view.node, at=when(view.at, zone))
        reach.setdefault(view.endpoint, []).append(f"{words} ({kept.read(view.words)})" if view.words else words)
    rows: list[list[Any]] = [
        [
            view.name if view.profile is None else tr("{profile} (its provider)", profile=view.profile),
            f"{view.host}:{view.port}",
            term(view.state),
            str(view.place),
            "; ".join(reach.get(endpoint_of(view.name), [tr("nothing is known yet")])),
            *([_links(ask, view.name, of_carrier=view.profile is None)] * may),
        ]
        for view in trunks.list_trunks(scope)
    ]
    named = profiles.names(scope)
    pbxs = [
        [named[endpoint], endpoint, "; ".join(words)] for endpoint, words in sorted(reach.items()) if endpoint in named
    ]
    tables = [
        {
            "title": tr("Trunks"),
            "heads": [tr("Name"), tr("Where"), tr("State"), tr("Place"), tr("Reached"), *([""] * may)],
            "rows": rows,
            "empty": tr("No trunk yet, so outgoing calls are refused. The operator of the platform adds one."),
        },
        {
            "title": tr("PBXs"),
            "heads": [tr("Profile"), tr("Username"), tr("Reached")],
            "rows": pbxs,
            "empty": tr("None was seen yet."),
        },
    ]
    actions = [
        (tr("Add a trunk"), "/trunks/new"),
        (tr("Order"), "/trunks/order"),
        (tr("Set up a profile at a provider"), "/client-profiles/new"),
    ]
    return tables_page(tr("Trunks"), tables, actions=actions if may else [])


def _links(ask: Ask, name: str, *, of_carrier: bool) -> list[Line]:
    path = f"/trunks/{name}"
    costs = [(tr("Costs"), f"{path}/costs")] if ask.actor.sees_costs else []
    removed = [(tr("Remove"), f"{path}/remove")] if of_carrier else []
    return [(tr("Change"), path), *costs, (tr("Suspend or open"), f"{path}/state"), *removed]


class _There(Form):
    """Where a carrier or provider is, and how we sign in."""

    host: str = entry("Address", hint="An IPv4 address or a host name.")
    port: NumberOrNone = entry(
        "Port", None, kind="number", hint="If empty, the usual port of the transport.", ge=1, le=65535
    )
    username: TextOrNone = entry(
        "User name", None, hint="To register there. If empty, the carrier identifies us by our address."
    )
    password: TextOrNone = entry("Password", None, kind="password")
    realm: str = entry("Realm", "", hint="Optional. With it, Asterisk gets a digest instead of the password.")

    def sign_in(self) -> SignIn | None:
        """With what we register; None if our address is known there."""
        if self.username is None:
            if self.password or self.realm:
                raise BadInput("A password and a realm need a user name.")
            return None
        return SignIn(self.username, self.password or "", self.realm)


class _Order(Form):
    """Which calls go by a trunk."""

    place: int = entry("Place", 1, kind="number", hint="The lowest is tried first.", ge=1, le=100)
    share: int = entry(
        "Share", 1, kind="number", hint="Its share of the calls among the trunks with the same place.", ge=1, le=1000
    )
    failover: str = entry("The next trunk is tried after", FAILOVER, hint="SIP answers, as 408 503.")


class _Name(Form):
    """What it is called."""

    name: str = entry("Name", hint="Small letters, digits and '-'.")


@pages.form("/trunks/new", "trunks.write", "Add a trunk", of_company=True, back="/trunks")
class NewTrunk(TrunkSpeaking, _Order, _There, _Name):
    """A way to a carrier."""

    button: ClassVar[str] = "Add"

    def do(self, ask: Ask) -> Outcome:
        """Create it."""
        trunks.create_trunk(
            self.name,
            self.host,
            self.port or usual_port(self.transport),
            ask.now,
            ask.company,
            sign_in=self.sign_in(),
            options=Options(**self.options(ask)),
            place=self.place,
            share=self.share,
            failover=self.failover,
        )
        return Outcome("/trunks", tr("{name} was added. Asterisk gets it in a moment.", name=self.name))


@pages.form("/trunks/order", "trunks.write", "In which order calls try trunks", of_company=True, back="/trunks")
class TrunkOrder(Form):
    """Of a company's calls, or of one profile's."""

    policy: str = entry(
        "Order",
        choices=[("", marked("as usual, or as the company's")), *((each, POLICY_WORDS[each]) for each in POLICIES)],
    )
    profile: TextOrNone = entry("Of", None, kind="choice")

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The whole company, or a profile."""
        return {"profile": company_or_profiles(ask)}

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What is set now."""
        now = [
            f"{each.profile or tr('the whole company')}: {tr(POLICY_WORDS[each.policy])}"
            for each in carriers.list_policies(ask.company)
        ]
        usual = tr("Nothing is set: calls try trunks by place, and within a place by share.")
        return tr("Set now: {orders}.", orders="; ".join(now)) if now else usual

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        check_profile(ask, self.profile)
        carriers.set_policy(self.policy, ask.company, self.profile)
        return Outcome("/trunks", tr("The order of the trunks is set."))


_KEPT = ("host", "port", "username", "realm", "place", "share", "failover")


@pages.form(TRUNK, "trunks.write", "Change a trunk", back="/trunks")
class ChangeTrunk(TrunkSpeaking, _Order, _There):
    """Calls that are up go on."""

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """Which it is, and what becomes of its password."""
        found = trunks.show_trunk(ask.path["trunk"])
        return tr(
            "{name}. If you leave the password empty, it does not change. Calls in progress continue.", name=found.name
        )

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As it is."""
        found = trunks.show_trunk(ask.path["trunk"])
        kept = {name: getattr(found, name) for name in _KEPT}
        return {**cls.spoken(found.options), **kept}

    def do(self, ask: Ask) -> Outcome:
        """Change it."""
        found = trunks.show_trunk(ask.path["trunk"])
        if found.username and self.username is None:
            raise BadInput(
                "This trunk registers with a user name. For a carrier that identifies this platform by its "
                "address, add another trunk."
            )
        same = found.username == (self.username or "") and self.password is None
        if same and self.realm != found.realm:
            raise BadInput("A realm belongs to a password. Enter the password too.")
        if not same and self.password is None:
            raise BadInput("Enter the password of that user name.")
        trunks.change(
            found.name,
            host=self.host,
            port=self.port or usual_port(self.transport),
            sign_in=None if same else self.sign_in(),
            options=self.options(ask),
            place=self.place,
            share=self.share,
            failover=self.failover,
        )
        return Outcome("/trunks", tr("{name} was changed. Asterisk gets it in a moment.", name=found.name))


@pages.form(TRUNK + "/state", "trunks.write", "Suspend or open a trunk", back="/trunks")
class TrunkState(Form):
    """Whether it takes new calls."""

    state: str = entry(
        "New calls",
        choices=[
            ("open", marked("As usual")),
            ("draining", marked("None; it stays registered")),
            ("suspended", marked("None, and Asterisk does not know it")),
        ],
    )

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What becomes of the calls that are up."""
        return tr("{name}. Calls in progress continue.", name=ask.path["trunk"])

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """The state it has."""
        return {"state": trunks.show_trunk(ask.path["trunk"]).state}

    def do(self, ask: Ask) -> Outcome:
        """Set it."""
        trunks.set_state(ask.path["trunk"], self.state)
        return Outcome("/trunks", tr("{path} is {state} now", path=ask.path["trunk"], state=term(self.state)))


@pages.form(TRUNK + "/remove", "trunks.write", "Remove a trunk", back="/trunks")
class RemoveTrunk(Form):
    """Take a carrier out."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"
    warning: ClassVar[str] = (
        "The trunk cannot be restored, and its name cannot be used again. Calls in progress continue."
    )

    def quote(self, ask: Ask) -> Quote | None:
        """Which; not a client profile's."""
        found = trunks.show_trunk(ask.path["trunk"])
        trunks.remove(found.name)
        return Quote([(tr("Trunk"), found.name), (tr("Where"), f"{found.host}:{found.port}")])

    def do(self, ask: Ask) -> Outcome:
        """Remove it."""
        trunks.remove(ask.path["trunk"])
        return Outcome("/trunks", tr("{path} was removed", path=ask.path["trunk"]))


class _ProfileName(Form):
    """What it is called, and whose numbers its phones dial."""

    name: str = entry("Name of the profile", hint="For example the office or the department.")
    country: TextOrNone = entry("Country", None, hint="Two letters, like GB: the country in which its phones dial.")


@pages.form("/client-profiles/new", "trunks.write", "Set up a profile at a provider", of_company=True, back="/profiles")
class NewClientProfile(TrunkSpeaking, _There, _ProfileName):
    """This Asterisk is the PBX, and registers with a provider."""

    button: ClassVar[str] = "Create"
    context: str = entry("Calls in go on in the context", "from-connector", hint="Of your dialplan.")

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """When it is this that one wants."""
        return tr("For phones of this very Asterisk, whose calls go out by a provider that sells to the company.")

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """What is usual: a provider that is registered with wants its user in From, the caller's number beside it."""
        return {**super().initial(ask), "caller_id": "pai"}

    def do(self, ask: Ask) -> Outcome:
        """Create it."""
        country = numbering.checked_country(self.country.upper()) if self.country else None
        made = profiles.create_client(
            self.name,
            0,
            (self.host, self.port or usual_port(self.transport)),
            ask.now,
            ask.company,
            sign_in=self.sign_in(),
            options=Options(**self.options(ask)),
            country=country,
        )
        return Outcome(
            f"/profiles/{made}/connection", tr("{name} is set up. Put this into your dialplan:", name=self.name)
        )
