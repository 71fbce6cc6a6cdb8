"""Live calls, the history, and why each call cost what it did."""

from __future__ import annotations

import csv
import io
from typing import Any, ClassVar
from urllib.parse import urlencode

from connector.billing import calls, carriers, history, media, profiles, trials
from connector.billing.history import CdrView, Wanted
from connector.billing.trials import MOST_SAID
from connector.core import formats, money, refusals
from connector.core.media import FAIR, GOOD
from connector.core.paging import Page, turn
from connector.core.reports import MINUTE_MS
from connector.core.sheets import neutral
from connector.core.terms import hung_up, sip_answer, term
from connector.core.times import instant, period
from connector.core.trunks import LEFT_OUT, POLICY_WORDS, Routing
from connector.errors import BadInput, NotFound
from connector.people import filters
from connector.routing import emergency
from connector.web.endpoint import Ask, Written
from connector.web.render import NONE, length, percent, tenths, when
from connector.web.site import cures
from connector.web.site.frame import Form, Line, Outcome, Shown, SitePages, entry, following, tables_page
from connector.words import marked, tr

pages = SitePages()

ROWS = 50
# More calls are exported in the background (exports.py).
MOST_IN_SHEET = 10_000
# A list of so many profiles can still be chosen from.
MOST_CHOICES = 200
_FILTERS = (
    "profile", "direction", "ending", "refusal", "number", "caller", "called", "price", "period", "since", "until"
)  # fmt: skip
PERIOD_WORDS = {
    "today": marked("today"),
    "yesterday": marked("yesterday"),
    "week": marked("the last seven days"),
    "month": marked("this month"),
    "last_month": marked("last month"),
}
_HEAD = (
    "ended", "profile", "direction", "from", "to", "talked_s", "ending", "refusal", "price", "currency", "id"
)  # fmt: skip


@pages.get("/calls", "calls.read")
def live_page(ask: Ask) -> Shown:
    """The calls that are up."""
    return Shown("calls.html", {"live": calls.now_of(ask.scope, ask.now)})


@pages.get("/history", "calls.read")
def history_page(ask: Ask) -> Shown:
    """The calls that were, newest first."""
    asked = _asked(ask)
    wrong, found = "", Page[CdrView]([], None)
    try:
        found = history.cdr_page(ask.scope, turn(ask.query.get("cursor"), ROWS, "is"), _wanted(ask, asked))
    except BadInput as error:
        wrong = error.translated()
    names = profiles.names(ask.scope)
    values = {
        "page": found,
        "following": following(found, asked),
        "wrong": wrong,
        "asked": {**asked, "since": _minute(asked, "since", "00:00"), "until": _minute(asked, "until", "23:59")},
        "sheet": urlencode(asked),
        "saved": filters.of_user(ask.actor.user or 0),
        "periods": PERIOD_WORDS.items(),
        "profiles": sorted(names.items(), key=lambda each: each[1]) if len(names) <= MOST_CHOICES else [],
        "reasons": refusals.ALL,
        "talked_ms": sum(each.duration_ms for each in found.items),
        "price_micros": sum(each.price_micros or 0 for each in found.items),
    }
    return Shown("history.html", values)


@pages.get("/history/sheet", "calls.read")
def history_sheet(ask: Ask) -> Written:
    """The calls of the same filters as a sheet: all of them, or none if they are too many."""
    wanted = _wanted(ask, _asked(ask))
    found = history.whole(ask.scope, wanted, MOST_IN_SHEET)
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(_HEAD)
    for each in found:
        price = "" if each.price_micros is None else money.decimal(each.price_micros)
        row = (
            when(each.ended_at, ask.zone, "sheet"),
            each.profile or "",
            each.direction,
            each.caller_id or each.button,
            each.called or each.dialled,
            f"{each.duration_ms / 1000:.3f}",
            each.ending,
            each.refusal or "",
            price,
            ask.currency if price else "",
            each.id,
        )
        writer.writerow([neutral(cell) for cell in row])
    return Written(lines.getvalue(), "calls.csv")


@pages.form("/history/filters/new", "calls.read", "Save this filter", back="/history")
class SaveFilter(Form):
    """The filter that the history was shown with, for later; only for who saves it."""

    name: str = entry("Name", hint="For example: refused this week. A filter of the same name is replaced.")

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What is saved."""
        asked = _asked(ask)
        names = profiles.names(ask.scope)
        words = [_filtered(name, names.get(value, value)) for name, value in asked.items()]
        return tr("It filters by: {words}", words=", ".join(words)) if words else ""

    def do(self, ask: Ask) -> Outcome:
        """Save it."""
        made = filters.save(ask.actor.user or 0, self.name, urlencode(_asked(ask)), ask.now)
        return Outcome(f"/history?{made.query}", tr('The filter "{name}" is saved', name=made.name))


@pages.form("/history/filters/{filter}/remove", "calls.read", "Remove a filter", back="/history")
class RemoveFilter(Form):
    """It is not in the list any more."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"

    def do(self, ask: Ask) -> Outcome:
        """Remove it."""
        gone = filters.remove(ask.actor.user or 0, ask.number("filter"))
        return Outcome("/history", tr('The filter "{name}" is removed', name=gone.name))


def _asked(ask: Ask) -> dict[str, str]:
    """The filters of a request that say something."""
    found = {name: ask.query[name][:100] for name in _FILTERS if ask.query.get(name)}
    if "period" in found:  # what a period says is not said twice
        found = {name: value for name, value in found.items() if name not in ("since", "until")}
    return found


def _filtered(name: str, value: str) -> str:
    """A value of a filter, for people."""
    if name == "period":
        return tr(PERIOD_WORDS[value]) if value in PERIOD_WORDS else value
    if name == "refusal":
        return tr(refusals.BY_CODE[value].words) if value in refusals.BY_CODE else value
    return term(value)


def _wanted(ask: Ask, asked: dict[str, str]) -> Wanted:
    """Which calls. BadInput for a time or a price that cannot be read."""
    since, until = _span(ask, asked)
    price = asked.get("price")
    return Wanted(
        profile=asked.get("profile"),
        direction=asked.get("direction"),
        ending=asked.get("ending"),
        refusal=asked.get("refusal"),
        number=asked.get("number"),
        since=since,
        until=until,
        caller=asked.get("caller"),
        called=asked.get("called"),
        price_micros=money.amount(formats.typed(price, ask.currency, price=True), zero=True) if price else None,
    )


def _span(ask: Ask, asked: dict[str, str]) -> tuple[int | None, int | None]:
    """From when until when, by a period that moves with today, or by two times; the end is not included. BadInput."""
    if asked.get("period"):
        return period(asked["period"], ask.now, ask.zone)
    since, until = (_minute(asked, name, usual) for name, usual in (("since", "00:00"), ("until", "23:59")))
    return (
        instant(since, ask.zone) if since else None,
        instant(until, ask.zone) + MINUTE_MS if until else None,
    )


def _minute(asked: dict[str, str], name: str, usual: str) -> str:
    """A time of a filter, to the minute; of a day alone its first or its last one. "" for none."""
    found = asked.get(name, "")
    return f"{found}T{usual}" if found and "T" not in found else found


@pages.get("/history/{cdr}", "calls.read")
def cdr_page(ask: Ask) -> Shown:
    """One call, and its explanation."""
    found = history.cdr(ask.path["cdr"])
    explanation, free = None, tr("You may not see what it cost.")
    if "money.read" in ask.actor.permissions:
        try:
            explanation = history.explain(found.id, with_costs=ask.actor.sees_costs)
        except NotFound as error:
            free = error.translated()
    shown = {"cdr": found, "lines": _lines(found, ask.zone), "explanation": explanation, "free": free}
    username = next((username for username, name in profiles.names(ask.scope).items() if name == found.profile), "")
    shown |= {"routing": _routing(ask, found), "policies": POLICY_WORDS, "why_left_out": LEFT_OUT}
    shown["again"] = _tested_again(username, found)
    shown["sound"] = _sound(found)
    shown["refusal"] = refusals.BY_CODE.get(found.refusal or "")
    shown["link"] = cures.link(ask, found.refusal or "", username)
    return Shown("cdr.html", shown)


def _routing(ask: Ask, cdr: CdrView) -> Routing | None:
    """Which trunks a call tried, for who sees costs; None where there was nothing to decide."""
    if not ask.actor.sees_costs:
        return None
    try:
        return carriers.routing_of(cdr.id)
    except NotFound:
        return None


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
            sees = ask.actor.sees_costs
            found = trials.why(number, profile.username, at or ask.now, caller, with_costs=sees)
        except BadInput as error:
            wrong = error.translated()
    links = {each.code: cures.link(ask, each.code, profile.username) for each in found.reasons} if found else {}
    return Shown(
        "test.html", {"profile": profile, "found": found, "wrong": wrong, "links": links, "why_left_out": LEFT_OUT}
    )


@pages.get("/emergency-calls", "calls.read")
def emergency_page(ask: Ask) -> Shown:
    """The calls to emergency numbers, which pass no gate."""
    found = emergency.page_of(ask.scope, turn(ask.query.get("cursor"), ROWS, "is"))
    went = {"local": tr("the local route"), "unavailable": tr("nowhere: the caller heard so")}
    rows = [
        [when(view.at, ask.zone), view.profile or "-", view.dialled, went.get(view.outcome, view.outcome), view.node]
        for view in found.items
    ]
    table = {
        "title": "",
        "heads": [tr("When"), tr("Profile"), tr("Dialled"), tr("Went to"), tr("Node")],
        "rows": rows,
        "empty": tr("None."),
    }
    intro = [tr("They need no credit and no channel, and are not billed.")]
    return tables_page(tr("Emergency calls"), [table], intro=intro, following=following(found))


def _sound(cdr: CdrView) -> dict[str, Any] | None:
    """How it sounded, in words, and a row for each leg; None if it was not measured."""
    try:
        found = media.of_call(cdr.id)
    except NotFound:
        return None
    sides = {"pbx": tr("The PBX's side"), "trunk": tr("The trunk's side")}
    rows = [
        [
            sides.get(leg.side, leg.side),
            leg.codec,
            percent(media.loss(leg.heard_packets, leg.heard_lost)),
            _ms(leg.heard_jitter_us),
            percent(media.loss(leg.told_packets, leg.told_lost)),
            _ms(leg.told_jitter_us),
            _ms(leg.rtt_us),
            tenths(leg.mos / 100),
        ]
        for leg in found.legs
    ]
    return {"words": _sounded(found.mos), "mos": tenths(found.mos / 100), "rows": rows}


def _sounded(mos: int) -> str:
    """A MOS in words."""
    return tr("good") if mos >= GOOD else tr("fair") if mos >= FAIR else tr("poor")


def _ms(us: int | None) -> str:
    return NONE if us is None else f"{tenths(us / 1000)} ms"


def _lines(cdr: CdrView, zone: str) -> list[Line]:
    form = "second"
    lines = [
        (tr("Profile"), cdr.profile or tr("none")),
        (
            tr("From"),
            cdr.caller_id or (tr("the call button {button}", button=cdr.button) if cdr.button else tr("withheld")),
        ),
        (tr("Shown as"), {None: tr("nobody was called"), "": tr("withheld")}.get(cdr.shown, cdr.shown or "")),
        (tr("Dialled"), cdr.dialled),
        (tr("Trunk"), cdr.trunk or tr("none")),
        (tr("Began"), when(cdr.started_at, zone, form)),
        (tr("Answered"), when(cdr.answered_at, zone, form)),
        (tr("Ended"), when(cdr.ended_at, zone, form)),
        (
            tr("Talked"),
            f"{length(cdr.duration_ms)} ({cdr.duration_ms} ms)",
        ),
        (tr("Ending"), term(cdr.ending)),
        (tr("Answer of the far end"), sip_answer(cdr.sip_status) if cdr.sip_status else ""),
        (tr("Hung up by"), hung_up(cdr.hung_up_by)),
    ]
    return [*(line for line in lines if line[1]), ("ID", cdr.id)]
