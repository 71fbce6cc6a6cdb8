"""Calls that are not made are decided as those that are: the same reason, and those behind it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector.billing import calls, credit, history, ledger, limits, profiles, trials
from connector.billing.profiles import Credentials
from connector.core.calls import Admitted
from connector.core.money import MICROS
from connector.core.refusals import Refusal
from connector.errors import BadInput, NotFound
from connector.routing import trunks
from tests.billing.test_calls import attempt
from tests.conftest import NOW

UK = "+442079460001"


def blocked() -> None:
    """The profile may not dial the country."""
    limits.change("office", {}, [("+44", False)], [])


def spent() -> None:
    """Its credit is taken back."""
    credit.take_back("office", 10 * MICROS, "back", NOW)


def drained() -> None:
    """It takes no new calls."""
    profiles.set_state("office", "draining")


def no_way_out() -> None:
    """Its company has no trunk that takes calls."""
    trunks.set_state("carrier", "draining")


# what was done before, and the reasons then
REASONS: dict[str, tuple[list[Callable[[], None]], list[str]]] = {
    "nothing": ([], []),
    "blocked": ([blocked], ["destination_blocked"]),
    "spent": ([spent], ["no_credit"]),
    "blocked and spent": ([spent, blocked], ["destination_blocked", "no_credit"]),
    "all": ([spent, blocked, no_way_out, drained], [
        "profile_draining", "no_trunk", "destination_blocked", "no_credit",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", REASONS)
def test_why_says_what_the_gate_says(office: Credentials, name: str) -> None:
    """The first reason is the one that the call itself is refused for; behind it stand all the others."""
    before, wanted = REASONS[name]
    for act in before:
        act()
    found = trials.why(UK, "office", NOW)
    assert [reason.code for reason in found.reasons] == wanted
    assert found.carried is not bool(wanted)
    assert all(reason.cure for reason in found.reasons)
    made = calls.admit(attempt(office.username, dialled=UK), "node")
    assert (made.code if isinstance(made, Refusal) else "") == (wanted[0] if wanted else "")


def test_asking_changes_nothing(office: Credentials) -> None:
    """No CDR, no entry in the ledger, no channel; a recharge that would come is counted, and does not come."""
    credit.set_recharge("office", 20 * MICROS, 15 * MICROS, None, NOW)
    credit.take_back("office", credit.credit("office", NOW).available_micros, "all", NOW)
    before = ledger.verify().entries
    assert trials.why(UK, "office", NOW).carried
    assert (ledger.verify().entries, calls.live(), history.cdrs(10)) == (before, [], [])


def test_who_cannot_be_recharged_has_no_credit(office: Credentials) -> None:
    """Its company's balance is too small for it."""
    credit.set_recharge("office", 20_000 * MICROS, 15 * MICROS, None, NOW)
    spent()
    assert [reason.code for reason in trials.why(UK, "office", NOW).reasons] == ["no_credit"]


def test_an_emergency_call_needs_nothing(office: Credentials) -> None:
    """Whatever else is wrong with the profile."""
    profiles.set_country("office", "GB")
    drained()
    found = trials.why("999", "office", NOW)
    assert (found.emergency, found.carried, found.reasons) == (True, True, ())


def test_the_time_and_the_caller_count(office: Credentials) -> None:
    """A rate that begins later, and a caller's number that is not the company's."""
    profiles.set_caller_id("office", foreign="refuse")
    assert [each.code for each in trials.why(UK, "office", NOW, "+12125550123").reasons] == ["caller_foreign"]
    assert trials.why(UK, "office", NOW).shows == "+442079460100"
    assert trials.why(UK, "office", "2020-01-01T00:00Z").reasons[0].code == "no_rate"
    assert trials.why("nonsense", "office", NOW).reasons[0].code == "number_invalid"


def test_what_cannot_be_asked_is_said(office: Credentials) -> None:
    """Nobody's profile, a time that is none, a number that is too long."""
    with pytest.raises(NotFound):
        trials.why(UK, "nobody", NOW)
    with pytest.raises(BadInput, match="Invalid time"):
        trials.why(UK, "office", "noon")
    with pytest.raises(BadInput):
        trials.why("1" * 257, "office", NOW)


def test_a_call_in_that_finds_all_channels_taken_is_told_so(office: Credentials) -> None:
    """Also before it comes."""
    for _ in range(3):
        assert isinstance(calls.admit(attempt(office.username, dialled=UK), "node"), Admitted)
    assert "channels" in trials.path_of("+442079460100", NOW).why_not
    assert [reason.code for reason in trials.why(UK, "office", NOW).reasons] == ["channels_full"]
