"""Routes, accounts, departments and hours in the store; and what a call at the gate makes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.billing import calls, history, limits, numbers, profiles, trials
from connector.billing.profiles import Credentials
from connector.core import refusals
from connector.core.callers import Shown
from connector.core.calls import Admitted, Direction, Emergency
from connector.core.times import instant
from connector.database.store import reading, run, writing
from connector.errors import BadInput, NotFound
from connector.routing import callers, emergency, routes
from tests.billing.test_calls import attempt
from tests.conftest import NOW

OFFICE, SECOND = "+442079460100", "+442079460101"


def called_in(called: str = OFFICE, caller: str = "+447700900123") -> Admitted:
    """A call in that was admitted."""
    got = calls.admit(replace(attempt("carrier", called, Direction.IN), caller_id=caller), "n")
    assert isinstance(got, Admitted), got
    return got


def test_a_route_is_asked_for_without_a_call(office: Credentials) -> None:
    """By the clock of the company; nobody's number is said to be so."""
    routes.set_hours("office", "mon-fri 09:00-17:30")
    routes.set_department("night", "extension 900")
    assert routes.set_route(OFFICE, "office: extension 101 ;else: department night") == (
        "office: extension 101\nelse: department night"
    )
    for when, rings in (("2026-11-23T10:00", "101"), ("2026-07-06T09:30", "101"), ("2026-11-23T20:00", "900")):
        found = trials.path_of("00442079460100", when)
        assert [hop.to for hop in found.path.hops] == [(rings,)]
        assert (found.profile, found.why_not) == ("office", "")
    profiles.set_state("office", "draining")
    assert trials.path_of(OFFICE, NOW).why_not == refusals.PROFILE_DRAINING.words
    numbers.attach(OFFICE, None)
    assert "not attached" in trials.path_of(OFFICE, NOW).why_not
    with pytest.raises(NotFound):
        trials.path_of(SECOND, NOW)
    with pytest.raises(BadInput, match="Invalid time"):
        trials.path_of(OFFICE, "noon")


def test_what_a_route_needs_cannot_be_taken_away(office: Credentials) -> None:
    """Nor be made to lead back; each is refused whole."""
    numbers.add(SECOND, "office", NOW)
    routes.set_hours("office", "mon-fri 09:00-17:30")
    routes.set_department("sales", "extension 101")
    routes.create_account("support", "office", "department sales", NOW)
    routes.set_route(OFFICE, f"office: account support; else: number {SECOND}")
    for wrong in (
        lambda: routes.remove_named("hours", "office"),
        lambda: routes.remove_named("department", "sales"),
        lambda: routes.remove_account("support"),
        lambda: routes.set_route(SECOND, f"number {OFFICE}"),
        lambda: routes.set_department("sales", "account support"),
        lambda: routes.attach_account("support", None),
        lambda: routes.set_route(SECOND, "voicemail 100"),
        lambda: routes.set_department("Sales", "busy"),
        lambda: routes.set_hours("else", "mon"),
    ):
        with pytest.raises(BadInput):
            wrong()
    assert [view.text for view in routes.named("department")] == ["extension 101"]
    routes.set_route(OFFICE, "")
    routes.remove_named("hours", "office")
    with pytest.raises(NotFound):
        routes.remove_named("hours", "office")
    routes.remove_account("support")
    assert routes.accounts() == []


def test_an_account_is_at_one_profile_at_a_time(office: Credentials) -> None:
    """A conflict is shown; it moves when that is said."""
    profiles.create_profile("shop", 1, "asterisk", NOW)
    routes.create_account("support", "office", "extension 101", NOW)
    with pytest.raises(BadInput, match="already, at the profile 'office'"):
        routes.create_account("support", "shop", "", NOW)
    with pytest.raises(BadInput, match=r"attached already, at the profile 'office'.*--move"):
        routes.attach_account("support", "shop")
    assert routes.attach_account("support", "shop", move=True).profile == "shop"
    assert routes.attach_account("support", None).profile is None
    assert routes.attach_account("support", "office").profile == "office"
    for wrong in ("Support", "s", "sup port", "+4420", "support@host", "x" * 41, "a&b"):
        with pytest.raises(BadInput):
            routes.create_account(wrong, "office", "", NOW)


def test_forwards_to_numbers_that_cost_more_are_refused_unless_allowed(office: Credentials) -> None:
    """Premium numbers never by accident; what the profile may not dial it may not forward to."""
    with pytest.raises(BadInput, match="it is premium"):
        routes.set_route(OFFICE, "number +449011234567")
    limits.change("office", {}, [("+449011234567", True), ("+33", False)], [])
    assert routes.set_route(OFFICE, "number +449011234567")
    with pytest.raises(BadInput, match="blocked for the profile"):
        routes.set_route(OFFICE, "number +33123456789")


def test_a_call_in_is_told_its_hops(office: Credentials) -> None:
    """By its number, or by its account; the same when its answer was lost; and what goes nowhere is refused."""
    routes.create_account("support", "office", "extension 301", NOW)
    routes.set_route(OFFICE, "group 101 102 for 10, account support")
    question = attempt("carrier", OFFICE, Direction.IN)
    got = calls.admit(question, "n")
    assert isinstance(got, Admitted)
    assert [(hop.kind, hop.to, hop.ring_s) for hop in got.hops] == [
        ("ring", ("101", "102"), 10),
        ("ring", ("301",), 25),
    ]
    assert calls.admit(question, "n") == got
    assert called_in("support").hops[0].to == ("301",)
    assert calls.admit(attempt("carrier", "nobody", Direction.IN), "n") == refusals.NUMBER_UNKNOWN
    routes.set_hours("never", "2001-01-01")
    routes.set_route(OFFICE, "never: pbx; else: account support")
    assert called_in().hops[0].to == ("301",)


def test_a_call_that_came_round_is_not_forwarded_again(office: Credentials) -> None:
    """To a number that a forward is calling, or from one that it is showing. An honest caller's is, though others
    of the company talk, or call that very number, meanwhile.
    """
    numbers.verify("+447700900999", "the boss's own", NOW)
    numbers.add(SECOND, "office", NOW)
    routes.set_route(OFFICE, f"number +33123456789, number {SECOND}, extension 101")

    def kinds(caller: str) -> list[str]:
        """What a call would meet; it is over then."""
        found = [hop.kind for hop in called_in(caller=caller).hops]
        (into,) = [call for call in calls.live() if call.direction == "in"]
        calls.refuse(replace(attempt("carrier"), call_id=into.id), "n", refusals.NOT_READY)
        return found

    assert isinstance(calls.admit(attempt(office.username, OFFICE), "n"), Admitted)
    for honest in (OFFICE, "+447700900999", "+447700900123"):
        assert kinds(honest) == ["forward", "ring", "ring"]
    assert isinstance(calls.admit(replace(attempt(office.username), forwarded=OFFICE), "n"), Admitted)
    assert kinds(OFFICE) == ["ring", "ring"]
    assert kinds("+447700900123") == ["forward", "ring", "ring"]
    routes.set_route(OFFICE, "number +33123456789")
    question = replace(attempt("carrier", OFFICE, Direction.IN), caller_id=OFFICE)
    assert calls.admit(question, "n") == refusals.NO_ROUTE


def test_a_number_that_is_gone_is_not_called_as_a_strangers(office: Credentials) -> None:
    """While a route leads to it, it is not given back; when it lapsed, the step is passed over, and is set no more."""
    numbers.add(SECOND, "office", NOW)
    routes.set_route(OFFICE, f"number {SECOND}, extension 101")
    routes.set_route(SECOND, "extension 102")
    with pytest.raises(BadInput, match="leads to"):
        numbers.release(SECOND, NOW, at_once=True)
    with writing():
        run("UPDATE number SET released_at = ?, profile_id = NULL WHERE e164 = ?", NOW, SECOND)
    assert [hop.to for hop in called_in().hops] == [("101",)]
    assert "no longer belongs" in trials.path_of(OFFICE, NOW).path.notes[0]
    with pytest.raises(BadInput, match="no longer belongs"):
        routes.create_account("other", "office", f"number {SECOND}", NOW)
    # What is broken already is in nobody's way, and may be mended.
    routes.create_account("support", "office", "", NOW)
    assert routes.set_route(OFFICE, "extension 101") == "extension 101"


def test_hours_of_several_lines_are_kept_as_they_were_read(office: Credentials) -> None:
    """And found again by the next call."""
    assert routes.set_hours("office", "mon-fri 09:00-17:30\nsat 10:00-13:00\n").text == (
        "mon-fri 09:00-17:30, sat 10:00-13:00"
    )
    routes.set_route(OFFICE, "office: extension 101; else: extension 102")
    assert called_in().hops


def test_an_account_may_have_the_name_of_its_department(office: Credentials) -> None:
    """They are two things."""
    routes.set_department("sales", "extension 201")
    routes.create_account("sales", "office", "department sales", NOW)
    assert called_in("sales").hops[0].to == ("201",)


def test_what_a_route_leads_to_is_all_found(office: Credentials) -> None:
    """A call asks level by level for what it needs: the same path as with the whole book."""
    routes.set_hours("office", "daily 00:00-24:00")
    routes.set_department("deep", "extension 301")
    routes.create_account("middle", "office", "office: department deep; else: busy", NOW)
    numbers.add(SECOND, "office", NOW)
    routes.set_route(SECOND, "account middle, extension 302")
    routes.set_route(OFFICE, f"number {SECOND}, extension 303")
    assert [hop.to for hop in called_in().hops] == [("301",), ("302",), ("303",)]


def test_a_test_says_what_would_be_refused(office: Credentials) -> None:
    """A forward that has no rate, or that the profile may not dial any more."""
    routes.set_route(OFFICE, "number +81312345678, number +33123456789")
    assert "no_rate" in trials.path_of(OFFICE, NOW).path.notes[0]
    limits.change("office", {}, [("+33", False)], [])
    assert "destination_blocked" in trials.path_of(OFFICE, NOW).path.notes[1]


def test_a_transferred_leg_shows_the_main_number(office: Credentials) -> None:
    """It is the other side's, with the other side's number; a policy that refuses strangers does not mean it."""
    profiles.set_caller_id("office", foreign="refuse")
    got = calls.admit(replace(attempt(office.username), caller_id="+447700900123", transferred=True), "n")
    assert isinstance(got, Admitted)
    assert got.shown == Shown(OFFICE)
    numbers.add(SECOND, "office", NOW)
    profiles.set_caller_id("office", number=OFFICE)
    numbers.release(OFFICE, NOW)
    again = calls.admit(replace(attempt(office.username), caller_id="+447700900123", transferred=True), "n")
    assert isinstance(again, Admitted)
    assert again.shown == Shown(SECOND)


def test_a_forwarded_call_shows_the_number_that_was_called(office: Credentials) -> None:
    """Not the stranger's; an account's shows the main number; it is rated, and held, like any call out."""
    for was_called in (OFFICE, "support"):
        forwarded = replace(attempt(office.username), caller_id="+447700900123", forwarded=was_called)
        got = calls.admit(forwarded, "n")
        assert isinstance(got, Admitted)
        assert got.shown == Shown(OFFICE)
        assert got.targets[0].shows == OFFICE
    assert [(call.shown, call.caller_id, call.held_s) for call in calls.live()] == [(OFFICE, "+447700900123", 60)] * 2


def test_a_foreign_caller_id_is_replaced_or_refused(office: Credentials) -> None:
    """By the profile's policy; the CDR says what was said and what was shown; another company's number is foreign."""
    profiles.create_company("Other", "GBP", "Europe/London", NOW)
    numbers.add("+442079460888", None, NOW, "Other")
    foreign = replace(attempt(office.username), caller_id="+442079460888")
    got = calls.admit(foreign, "n")
    assert isinstance(got, Admitted)
    assert got.shown == Shown(OFFICE)
    profiles.set_caller_id("office", foreign="refuse")
    assert calls.admit(replace(foreign, call_id="f" * 32), "n") == refusals.CALLER_FOREIGN
    (cdr,) = history.cdrs(5)
    assert (cdr.refusal, cdr.caller_id, cdr.shown) == ("caller_foreign", "+442079460888", None)
    numbers.release(OFFICE, NOW)
    with reading():
        assert callers.own(1, OFFICE, "+442079460888") == set()


def test_national_numbers_are_those_of_the_profiles_country(office: Credentials) -> None:
    """Without one, only international forms are numbers."""
    assert calls.admit(attempt(office.username, "020 7946 0001"), "n") == refusals.NUMBER_INVALID
    assert profiles.set_country("office", "GB").country == "GB"
    got = calls.admit(attempt(office.username, "02079460001"), "n")
    assert isinstance(got, Admitted)
    assert got.called == "+442079460001"
    with pytest.raises(BadInput, match="Invalid country"):
        profiles.set_country("office", "UK")


def test_an_emergency_number_passes_the_gate_and_leaves_no_row(office: Credentials) -> None:
    """By country, or the profile's own; whatever the profile may or has."""
    assert calls.admit(attempt(office.username, "112"), "n") == Emergency("112")
    assert calls.admit(attempt(office.username, "123"), "n") == refusals.NUMBER_INVALID
    profiles.set_country("office", "GB")
    profiles.set_state("office", "suspended")
    assert calls.admit(attempt(office.username, "999"), "n") == Emergency("999")
    assert profiles.set_emergency("office", "115, 999").emergency == ("115", "999")
    assert calls.admit(attempt(office.username, "tel:115"), "n") == Emergency("115")
    assert calls.admit(attempt(office.username, "112"), "n") == refusals.PROFILE_SUSPENDED
    assert profiles.set_emergency("office", "").emergency == ("112", "999")
    assert profiles.inward(NOW)[0].emergency == ("112", "999")
    assert calls.live() == []
    with pytest.raises(BadInput):
        profiles.set_emergency("office", "1; 2")


def test_an_emergency_call_is_kept_once(office: Credentials) -> None:
    """Read from the journal as often as may be; of a profile that is unknown too."""
    assert emergency.record("lab-1.1", "lab", office.username, "999", "local", NOW)
    assert not emergency.record("lab-1.1", "lab", office.username, "999", "local", NOW)
    assert emergency.record("lab-1.2", "lab", "pgone", "112", "unavailable", NOW + 5)
    assert [(e.profile, e.dialled, e.outcome) for e in emergency.listed()] == [
        (None, "112", "unavailable"),
        ("office", "999", "local"),
    ]
    assert (emergency.last_at("lab"), emergency.last_at("other")) == (NOW + 5, 0)


def test_holidays_are_days_of_the_companys_zone(company: str) -> None:
    """Christmas begins when it does there."""
    profiles.create_company("Antipodes", "NZD", "Pacific/Auckland", NOW)
    profiles.create_profile("south", 0, "asterisk", NOW, company="Antipodes")
    numbers.add("+6493000100", "south", NOW)
    routes.set_hours("holidays", "12-25", "Antipodes")
    routes.set_route("+6493000100", "holidays: busy; else: pbx")
    for when, kind in (("2026-12-24T10:59Z", "ring"), ("2026-12-24T11:00Z", "busy"), ("2026-12-25T11:00Z", "ring")):
        assert trials.path_of("+6493000100", instant(when, "UTC")).path.hops[0].kind == kind
