"""What a profile may dial that is no number in E.164, what is shown for one call, and who forwarded it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.billing import calls, history, limits, plans, profiles, trials
from connector.billing.profiles import Credentials
from connector.core import refusals
from connector.core.calls import Admitted, Emergency
from connector.core.refusals import Refusal
from connector.core.service_numbers import ServiceNumber
from connector.errors import BadInput, NotFound
from connector.routing import service_numbers, trunks
from tests.billing.test_calls import NODE, attempt, finish
from tests.billing.test_money_of_calls import SLICES, begin
from tests.conftest import NOW

POLICE = ServiceNumber("101", "Police", connection_fee_micros=150_000)
CLOCK = ServiceNumber("123", "Speaking clock", price_per_minute_micros=600_000)


def test_a_service_number_is_held_and_charged_like_any_call(office: Credentials) -> None:
    """It goes to the trunk as it was dialled, and its price is in the CDR."""
    service_numbers.change("office", [POLICE, CLOCK])
    for number, talked_ms, price in (("101", 61_000, 150_000), ("123", 1_500, 20_000)):
        call = begin(office, number)
        assert isinstance(call, Admitted)
        assert (call.called, call.targets[0].number) == (number, number)
        calls.answered(call.call_id, NOW, None, SLICES)
        while talked_ms > call.guard_s * 1000:
            call = replace(call, guard_s=calls.extend(call.call_id, call.guard_s, NOW, SLICES) or 0)
        finish(call.call_id, answered_at=NOW, ended_at=NOW + talked_ms)
        cdr = history.cdr(call.call_id)
        assert (cdr.called, cdr.dialled, cdr.price_micros) == (number, number, price)


@pytest.mark.parametrize("said", ["102", "1010", "111", "tel:102;phone-context=+44"])
def test_a_short_number_that_nobody_allowed_is_refused(office: Credentials, said: str) -> None:
    """Each is allowed by itself."""
    profiles.set_country("office", "GB")
    service_numbers.change("office", [POLICE])
    assert begin(office, said) is refusals.NUMBER_INVALID
    assert isinstance(begin(office, "tel:101;phone-context=+44"), Admitted)


def test_an_emergency_number_stays_one(office: Credentials) -> None:
    """It cannot be priced; and a service number that becomes an emergency number is one, without credit."""
    profiles.set_country("office", "GB")
    with pytest.raises(BadInput, match="999 is an emergency number"):
        service_numbers.change("office", [POLICE, ServiceNumber("999")])
    assert service_numbers.show("office").numbers == []
    service_numbers.change("office", [POLICE])
    profiles.set_emergency("office", "101 112 999")
    assert begin(office, "101") == Emergency("101")


def test_service_numbers_are_changed_whole_or_not_at_all(office: Credentials) -> None:
    """The last word on a number counts; at most fifty; a deleted profile has none left."""
    service_numbers.change("office", [POLICE, CLOCK])
    found = service_numbers.change("office", [replace(POLICE, connection_fee_micros=1)], ["123", "404"])
    assert [(each.digits, each.connection_fee_micros) for each in found.numbers] == [("101", 1)]
    with pytest.raises(BadInput, match="twice"):
        service_numbers.change("office", [POLICE, replace(POLICE, name="Again")])
    with pytest.raises(BadInput, match="at most 50"):
        service_numbers.change("office", [ServiceNumber(str(digits)) for digits in range(200, 250)])
    assert len(service_numbers.show("office").numbers) == 1
    with pytest.raises(NotFound):
        service_numbers.change("nobody", [POLICE])
    plans.delete_profile("office", NOW)
    with pytest.raises(NotFound):
        service_numbers.show("office")


def test_what_a_service_number_costs_can_be_asked(office: Credentials) -> None:
    """Of the profile that may call it; of nobody else."""
    service_numbers.change("office", [POLICE])
    found = trials.price("101", 60_000, NOW, "office", None)
    assert (found.number, found.price_micros, found.refusal) == ("101", 150_000, None)
    with pytest.raises(BadInput):
        trials.price("101", 60_000, NOW, None, "Acme")
    with pytest.raises(BadInput):
        trials.price("102", 60_000, NOW, "office", None)


def test_a_prefix_withholds_the_number_of_one_call(office: Credentials) -> None:
    """Whoever dials *67 before a number shows none in that call, where the profile has it so, and else is refused."""
    profiles.set_country("office", "GB")
    assert begin(office, "*6702079460001") is refusals.NUMBER_INVALID
    profiles.set_caller_id("office", withhold="*67, 141")
    asked = attempt(office.username, "*6702079460001")
    got = calls.admit(asked, NODE)
    assert isinstance(got, Admitted)
    assert (got.called, got.shown.private, got.shown.number) == ("+442079460001", True, "+442079460100")
    again = calls.admit(asked, NODE)  # an answer that was lost is asked for again
    assert again == got
    assert begin(office, "141999") == Emergency("999")
    assert begin(office, "02079460001").shown.private is False
    assert profiles.set_caller_id("office", withhold="").caller_id.withhold == ()
    with pytest.raises(BadInput):
        profiles.set_caller_id("office", withhold="+44")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("+442079460100", "+442079460100"),
        ("02079460100", "+442079460100"),
        ("+447700900123", ""),
        ("999", ""),
        ("", ""),
    ],
)
def test_a_trunk_is_told_who_forwarded_only_if_it_is_the_companys(office: Credentials, said: str, told: str) -> None:
    """What a PBX says in Diversion is its own word: a number that the company does not have is left out."""
    profiles.set_country("office", "GB")
    got = calls.admit(replace(attempt(office.username), diverted=said), NODE)
    assert isinstance(got, Admitted)
    assert got.targets[0].diverted == told


def test_who_forwarded_is_told_as_the_trunk_writes_numbers(office: Credentials) -> None:
    """In the same form as the other numbers."""
    trunks.change("carrier", options={"number_form": "bare"})
    got = calls.admit(replace(attempt(office.username), forwarded="+442079460100"), NODE)
    assert not isinstance(got, Refusal | Emergency | None)
    assert got.targets[0].diverted == "442079460100"


def test_a_call_that_withholds_its_number_tells_nobody_who_forwarded_it(office: Credentials) -> None:
    """Privacy covers the caller's number only: what would tell the company's is left out."""
    asked = replace(attempt(office.username), diverted="+442079460100")
    for private, told in ((False, "+442079460100"), (True, "")):
        got = calls.admit(replace(asked, call_id=f"{private}", gate_leg=f"{private}", private=private), NODE)
        assert isinstance(got, Admitted)
        assert got.targets[0].diverted == told


def test_a_profile_that_dials_nothing_dials_no_service_number(office: Credentials) -> None:
    """The rule `+` is every number; a company sets it, and the house sets the service numbers."""
    service_numbers.change("office", [POLICE])
    limits.change("office", {}, [("+", False)], [])
    assert begin(office, "101") is refusals.DESTINATION_BLOCKED


def test_a_prefix_takes_no_short_number_apart(office: Credentials) -> None:
    """What is an emergency or service number as a whole is that."""
    profiles.set_country("office", "GB")
    profiles.set_caller_id("office", withhold="11")
    service_numbers.change("office", [ServiceNumber("111"), ServiceNumber("23")])
    assert begin(office, "1-1-2") == Emergency("112")
    whole, behind = begin(office, "111"), begin(office, "1123")
    assert (whole.called, whole.shown.private) == ("111", False)
    assert (behind.called, behind.shown.private) == ("23", True)


def test_a_rule_for_a_retired_prefix_is_refused(office: Credentials) -> None:
    """It would block nothing. One that was there before can be taken away."""
    with pytest.raises(BadInput, match=r"begins with \+521 any more"):
        limits.change("office", {}, [("+52", False), ("+521", False)], [])
    assert limits.show("office").blocked == []
    limits.change("office", {}, [], ["+521"])
