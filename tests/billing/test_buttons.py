"""Call buttons in the store, and the calls that come by them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.billing import calls, history, ledger, profiles, reports
from connector.billing.profiles import Credentials
from connector.core import refusals
from connector.core.access import EVERYTHING, Scope
from connector.core.calls import LONGEST_BY_BUTTON_S, Admitted, Attempt, Direction, Progress
from connector.core.holds import Slicing
from connector.core.paging import Turn
from connector.core.refusals import Refusal
from connector.core.sip import Options
from connector.errors import BadInput, NotFound
from connector.routing import buttons, routes
from connector.routing.buttons import ButtonView, Pushed
from tests.conftest import NOW

ALL = Turn(None, 100)


@pytest.fixture
def button(office: Credentials) -> ButtonView:
    """A button for an account of the office, which has three channels; two may call by it at once."""
    routes.create_account("sales", "office", "extension 101", NOW)
    return buttons.create("website", "sales", 2, NOW)


def push(button: ButtonView, call_id: str) -> Admitted | Refusal:
    """Somebody pushes it."""
    attempt = Attempt(call_id, Direction.IN, f"leg-{call_id}", str(button.id), "sales", "", NOW, NOW, by_button=True)
    got = calls.admit(attempt, "n")
    assert isinstance(got, Admitted | Refusal)
    return got


def over(call_id: str, answered_at: int | None = None, cause: int = 16) -> None:
    """The call ends three seconds later."""
    progress = Progress(f"leg-{call_id}")
    progress.answered_at = answered_at
    progress.leg_ended(f"leg-{call_id}", NOW + 3000, cause)
    calls.ended(call_id, progress, NOW + 3000)


def test_a_call_by_a_button_is_a_call_in(button: ButtonView) -> None:
    """It takes a channel, costs nothing, rings where the account does, shows the button, and ends within an hour."""
    before = ledger.verify().entries
    got = push(button, "a")
    assert isinstance(got, Admitted)
    assert ([hop.to for hop in got.hops], got.guard_s) == ([("101",)], LONGEST_BY_BUTTON_S)
    assert (got.shown.number, got.shown.private, got.channels) == (None, False, 3)
    (live,) = calls.live()
    assert (live.button, live.trunk, live.direction, live.called, live.held_s) == ("website", None, "in", "sales", None)
    (now,) = calls.now_of(EVERYTHING, NOW).calls
    assert (now.button, now.cost_micros) == ("website", None)
    assert calls.live_page(EVERYTHING, ALL).items == [live]
    assert push(button, "a") == got  # the answer was lost, and it is asked again
    over("a", NOW + 1000)
    (cdr,) = history.cdrs(5)
    assert (cdr.button, cdr.trunk, cdr.called, cdr.ending, cdr.duration_ms) == ("website", None, "sales", "ok", 2000)
    assert (cdr.price_micros, cdr.caller_id, cdr.profile) == (0, "", "office")
    assert calls.live() == []
    assert ledger.verify().entries == before


def test_a_short_limit_of_the_node_is_kept(button: ButtonView) -> None:
    """No call by a button is longer than any other."""
    attempt = Attempt("a", Direction.IN, "leg-a", str(button.id), "sales", "", NOW, NOW, by_button=True)
    got = calls.admit(attempt, "n", Slicing(60, 600))
    assert isinstance(got, Admitted)
    assert got.guard_s == 600
    over("a")


def test_so_many_call_at_once_and_no_more(button: ButtonView) -> None:
    """The third by the button is refused, another button's is not; the fourth finds no channel; one that ends makes
    room.
    """
    other = buttons.create("e-mail", "sales", 300, NOW)
    assert isinstance(push(button, "a"), Admitted)
    assert isinstance(push(button, "b"), Admitted)
    assert push(button, "c") is refusals.BUTTON_FULL
    assert isinstance(push(other, "d"), Admitted)
    assert push(other, "e") is refusals.CHANNELS_FULL
    over("a")
    assert isinstance(push(button, "f"), Admitted)
    buttons.change(button.id, 1)
    over("d")
    assert push(button, "g") is refusals.BUTTON_FULL
    refused = [(cdr.refusal, cdr.button) for cdr in history.cdrs(9) if cdr.refusal]
    assert sorted(refused) == [("button_full", "website")] * 2 + [("channels_full", "e-mail")]
    for call_id in ("b", "f"):
        over(call_id)


def test_where_nobody_can_be_called_the_refusal_is_the_companys(button: ButtonView) -> None:
    """Of a button that is gone nothing is known; of an account that is nowhere, whose it is."""
    profiles.set_state("office", "draining")
    assert push(button, "a") is refusals.PROFILE_DRAINING
    profiles.set_state("office", "open")
    routes.attach_account("sales", None)
    assert push(button, "b") is refusals.NUMBER_UNKNOWN
    buttons.remove(button.id)
    assert push(button, "c") is refusals.NUMBER_UNKNOWN
    company = profiles.company_id("Acme")
    seen = {cdr.id: cdr.button for cdr in history.cdr_page(Scope(company), ALL, history.Wanted()).items}
    assert seen == {"a": "website", "b": "website"}


def test_at_a_client_it_goes_on_in_its_own_dialplan(company: str) -> None:
    """This Asterisk is the PBX: an account without a route goes where its provider's calls go."""
    profiles.create_client("shop", 2, ("192.0.2.77", 5060), NOW, options=Options(context="from-provider"))
    routes.create_account("shop", "shop", "", NOW)
    got = push(buttons.create("website", "shop", 1, NOW), "a")
    assert isinstance(got, Admitted)
    assert (got.context, got.hops) == ("from-provider", ())
    over("a")


def test_whoever_pushed_it_is_told_how_it_goes(button: ButtonView) -> None:
    """It waits, rings, talks and is over; a refusal is over at once."""
    assert buttons.pushed("a") == Pushed("waiting")
    push(button, "a")
    assert buttons.pushed("a") == Pushed("waiting")
    calls.dialled("a", "leg-of-a-phone")
    assert buttons.pushed("a") == Pushed("ringing")
    calls.answered("a", NOW + 10, None)
    assert buttons.pushed("a") == Pushed("talking", answered=True)
    over("a", NOW + 10)
    assert buttons.pushed("a") == Pushed("over", True, "ok")
    push(button, "b")
    over("b", cause=17)
    assert buttons.pushed("b") == Pushed("over", False, "busy")
    profiles.set_state("office", "suspended")
    push(button, "c")
    assert buttons.pushed("c") == Pushed("over", False, "refused", "profile_suspended")


def test_buttons_are_made_and_taken_away(button: ButtonView) -> None:
    """A name is the company's own; nobody guesses a link; removed, it leads nowhere; its account stays till then."""
    profiles.create_company("Other", "USD", "America/New_York", NOW)
    routes.create_account("ventas", None, "", NOW, "Other")
    other = buttons.create("website", "ventas", 5, NOW, "Other")
    assert len({button.token, other.token}) == 2
    assert min(len(button.token), len(other.token)) >= 22
    assert buttons.by_token(button.token) == button == buttons.named("website", "Acme") == buttons.show(button.id)
    assert (other.profile, buttons.change(other.id, 6).most) == (None, 6)
    for make, wrong in (
        (lambda: buttons.create("website", "sales", 1, NOW, "Acme"), BadInput),
        (lambda: buttons.create("two\nlines", "sales", 1, NOW, "Acme"), BadInput),
        (lambda: buttons.create("mine", "sales", 0, NOW, "Acme"), BadInput),
        (lambda: buttons.create("mine", "ventas", 1, NOW, "Acme"), NotFound),
        (lambda: buttons.create("mine", "nobody", 1, NOW, "Acme"), NotFound),
        (lambda: buttons.change(other.id, 301), BadInput),
        (lambda: buttons.change(99, 1), NotFound),
        (lambda: buttons.remove(99), NotFound),
        (lambda: buttons.by_token("nothing"), NotFound),
        (lambda: buttons.named("nothing", "Acme"), NotFound),
        (lambda: routes.remove_account("sales"), BadInput),
    ):
        with pytest.raises(wrong):
            make()
    acme = Scope(profiles.company_id("Acme"))
    assert [view.name for view in buttons.page_of(acme, ALL).items] == ["website"]
    assert buttons.page_of(replace(acme, profile=99), ALL).items == []
    assert len(buttons.page_of(EVERYTHING, ALL).items) == 2
    assert buttons.remove(button.id) == button
    with pytest.raises(NotFound, match="does not work"):
        buttons.by_token(button.token)
    routes.remove_account("sales")


def test_refusals_by_a_button_are_in_the_reports(button: ButtonView) -> None:
    """Like all others, by their reason."""
    for call_id in ("a", "b", "c"):
        push(button, call_id)
    found = reports.month("Acme", None, NOW)
    assert [(row.refusal, row.calls) for row in found.refusals] == [("button_full", 1)]
    for call_id in ("a", "b"):
        over(call_id)


def test_a_pbx_can_be_rung_to_test_it(office: Credentials) -> None:
    """By a button and an account of its own, made once; taken away or moved to nowhere, they come again when asked."""
    first = buttons.of_test("office", NOW)
    assert buttons.of_test("office", NOW + 1) == first
    assert (first.account, first.name, first.profile, first.most) == (
        f"test-{office.username}", f"test {office.username}", "office", 1
    )  # fmt: skip
    attempt = Attempt("t", Direction.IN, "leg-t", str(first.id), first.account, "", NOW, NOW, by_button=True)
    got = calls.admit(attempt, "n")
    assert isinstance(got, Admitted)
    assert got.hops == () or got.hops[0].to == ()  # the PBX, as for a number without a route
    over("t")
    routes.attach_account(first.account, None)
    assert buttons.of_test("office", NOW + 2).profile == "office"
    buttons.remove(first.id)
    again = buttons.of_test("office", NOW + 3)
    assert (again.account, again.token != first.token) == (first.account, True)
    with pytest.raises(NotFound):
        buttons.of_test("nobody", NOW)
    profiles.create_profile("branch", 2, "asterisk", NOW)
    routes.attach_account(first.account, "branch", move=True)
    with pytest.raises(BadInput, match="used for something else"):
        buttons.of_test("office", NOW)
    routes.attach_account(first.account, "office", move=True)
    buttons.remove(again.id)
    routes.create_account("sales", "office", "", NOW)
    buttons.create(first.name, "sales", 1, NOW)
    with pytest.raises(BadInput, match="used for something else"):
        buttons.of_test("office", NOW)
