"""The first page of a company: what it has, what renews when, what needs a look."""

from __future__ import annotations

from connector.billing import calls, credit, history, plans, profiles
from connector.billing.credit import Balance
from connector.billing.history import Wanted
from connector.billing.profiles import ProfileView
from connector.core.access import Scope
from connector.core.alerts import RENEWS_WITHIN_MS
from connector.core.formats import shown
from connector.core.paging import Turn
from connector.core.trunks import trunk_of
from connector.notices import notices
from connector.routing import reachability
from connector.web.endpoint import Ask
from connector.web.site.frame import Line, Shown, SitePages

pages = SitePages()

MOST_PROFILES = 50
MOST_RENEWALS = 10
MOST_NOTICES = 5
MOST_CALLS = 10


@pages.get("/", None)
def overview(ask: Ask) -> Shown:
    """The company at a glance."""
    whole = ask.scope.profile is None and "money.read" in ask.actor.permissions
    found = profiles.page_of(ask.scope, Turn(None, MOST_PROFILES))
    renewals = plans.renewals(ask.scope, MOST_RENEWALS)
    balance = credit.balance(ask.company) if whole else None
    credits = credit.available(ask.scope)
    return Shown(
        "overview.html",
        {
            "balance": balance,
            "live": calls.now_of(ask.scope, ask.now),
            "renewals": renewals,
            "alarms": _alarms(ask, balance, found.items, credits),
            "profiles": found.items,
            "more": found.next is not None,
            "credits": credits,
            "notices": notices.page_of(ask.scope, Turn(None, MOST_NOTICES)).items,
            "cdrs": history.cdr_page(ask.scope, Turn(None, MOST_CALLS), Wanted()).items,
        },
    )


def _alarms(
    ask: Ask,
    balance: Balance | None,
    shown_profiles: list[ProfileView],
    credits: dict[str, int],
) -> list[Line]:
    """What needs a look, and where to look."""
    found: list[Line] = []
    if balance is not None:
        due = plans.due_before(ask.now + RENEWS_WITHIN_MS).get(ask.scope.company or 0, (0, 0))[0]
        if due > balance.available_micros:
            have, need = shown(balance.available_micros, balance.currency), shown(due, balance.currency)
            found.append((f"The balance is {have}, and {need} are due within three days", "/money"))
        scope = Scope(ask.scope.company)
        for view in reachability.seen_by(scope):
            name = trunk_of(view.endpoint)
            if name is not None and view.state == "down":
                found.append((f"The trunk {name} cannot be reached: {view.words}", "/trunks"))
    for profile in shown_profiles:
        link = f"/profiles/{profile.username}"
        if profile.status == "active" and not credits.get(profile.username):
            found.append((f"{profile.name} has no credit: it can call nobody", link))
        if profile.channels and profile.channels_in_use >= profile.channels:
            found.append((f"{profile.name} uses all of its {profile.channels} channels", link))
    return found[:20]
