"""Live calls, the history, and why each call cost what it did."""

from __future__ import annotations

from urllib.parse import urlencode

from connector.billing import calls, history, profiles, trials
from connector.billing.history import CdrView, Wanted
from connector.billing.trials import MOST_SAID
from connector.core import refusals
from connector.core.paging import Page, turn
from connector.core.times import instant
from connector.errors import BadInput, NotFound
from connector.routing import emergency
from connector.web.endpoint import Ask
from connector.web.render import length, when
from connector.web.site import cures
from connector.web.site.frame import Line, Shown, SitePages, following, tables_page

pages = SitePages()

ROWS = 50
_FILTERS = ("profile", "direction", "ending", "refusal", "number", "since", "until")
DAY_MS = 24 * 3_600_000


@pages.get("/calls", "calls.read")
def live_page(ask: Ask) -> Shown:
    """The calls that are up."""
    return Shown("calls.html", {"live": calls.now_of(ask.scope, ask.now)})


@pages.get("/history", "calls.read")
def history_page(ask: Ask) -> Shown:
    """The calls that were, newest first."""
    asked = {name: ask.query[name][:100] for name in _FILTERS if ask.query.get(name)}
    wrong, found = "", Page[CdrView]([], None)
    try:
        zone = ask.zone
        until = instant(f"{asked['until']}T00:00", zone) + DAY_MS if "until" in asked else None
        wanted = Wanted(
            profile=asked.get("profile"),
            direction=asked.get("direction"),
            ending=asked.get("ending"),
            refusal=asked.get("refusal"),
            number=asked.get("number"),
            since=instant(f"{asked['since']}T00:00", zone) if "since" in asked else None,
            until=until,
        )
        found = history.cdr_page(ask.scope, turn(ask.query.get("cursor"), ROWS, "is"), wanted)
    except BadInput as error:
        wrong = str(error)
    return Shown("history.html", {"page": found, "following": following(found, asked), "wrong": wrong})


@pages.get("/history/{cdr}", "calls.read")
def cdr_page(ask: Ask) -> Shown:
    """One call, and its explanation."""
    found = history.cdr(ask.path["cdr"])
    explanation, free = None, "You may not see what it cost."
    if "money.read" in ask.actor.permissions:
        try:
            explanation = history.explain(found.id)
        except NotFound as error:
            free = str(error)
    shown = {"cdr": found, "lines": _lines(found, ask.zone), "explanation": explanation, "free": free}
    username = next((username for username, name in profiles.names(ask.scope).items() if name == found.profile), "")
    shown["again"] = _tested_again(username, found)
    shown["refusal"] = refusals.BY_CODE.get(found.refusal or "")
    shown["link"] = cures.link(ask, found.refusal or "", username)
    return Shown("cdr.html", shown)


def _tested_again(username: str, cdr: CdrView) -> str:
    """Where a call out that was refused is tested once more; "" for other calls."""
    if cdr.refusal is None or cdr.direction != "out" or not username:
        return ""
    return f"/profiles/{username}/test?{urlencode({'number': cdr.dialled, 'caller': cdr.caller_id})}"


@pages.get("/profiles/{profile}/test", "calls.read")
def test_page(ask: Ask) -> Shown:
    """Whether a call would be carried, and if not, why."""
    profile = profiles.show_profile(ask.path["profile"])
    number, at, caller = (ask.query.get(name, "").strip()[:MOST_SAID] for name in ("number", "at", "caller"))
    found, wrong = None, ""
    if number:
        try:
            found = trials.why(number, profile.username, at or ask.now, caller)
        except BadInput as error:
            wrong = str(error)
    links = {each.code: cures.link(ask, each.code, profile.username) for each in found.reasons} if found else {}
    return Shown("test.html", {"profile": profile, "found": found, "wrong": wrong, "links": links})


@pages.get("/emergency-calls", "calls.read")
def emergency_page(ask: Ask) -> Shown:
    """The calls to emergency numbers, which pass no gate."""
    found = emergency.page_of(ask.scope, turn(ask.query.get("cursor"), ROWS, "is"))
    went = {"local": "the local route", "unavailable": "nowhere: the caller heard so"}
    rows = [
        [when(view.at, ask.zone), view.profile or "-", view.dialled, went.get(view.outcome, view.outcome), view.node]
        for view in found.items
    ]
    table = {"title": "", "heads": ["When", "Profile", "Dialled", "Went to", "Node"], "rows": rows, "empty": "None."}
    intro = ["They need no credit and no channel, and are no CDRs."]
    return tables_page("Emergency calls", [table], intro=intro, following=following(found))


def _lines(cdr: CdrView, zone: str) -> list[Line]:
    form = "%d %b %Y, %H:%M:%S"
    lines = [
        ("Profile", cdr.profile or "none"),
        ("From", cdr.caller_id or (f"the call button {cdr.button}" if cdr.button else "withheld")),
        ("Shown as", {None: "nobody was called", "": "withheld"}.get(cdr.shown, cdr.shown or "")),
        ("Dialled", cdr.dialled),
        ("Trunk", cdr.trunk or "none"),
        ("Began", when(cdr.started_at, zone, form)),
        ("Answered", when(cdr.answered_at, zone, form)),
        ("Ended", when(cdr.ended_at, zone, form)),
        ("Talked", f"{length(cdr.duration_ms)} ({cdr.duration_ms} ms)"),
        ("Ending", cdr.ending),
    ]
    return [*lines, ("ID", cdr.id)]
