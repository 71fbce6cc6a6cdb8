"""Trunks, and profiles of both roles: what is kept, what is refused, which way calls go."""

from __future__ import annotations

import pytest

from connector.billing import calls, credit, numbers, plans, profiles
from connector.billing.profiles import Credentials
from connector.core import refusals
from connector.core.calls import Admitted, Direction, Emergency
from connector.core.credentials import digest
from connector.core.money import MICROS
from connector.core.refusals import Refusal
from connector.core.sip import Options
from connector.core.trunks import Target
from connector.database import vault
from connector.database.store import Store
from connector.errors import BadInput, NotFound, SecretsLocked
from connector.routing import trunks
from connector.routing.trunks import SignIn
from tests.billing.test_calls import attempt
from tests.billing.test_profiles import everything_in
from tests.conftest import NOW

HOUR_MS = 3_600_000
UNFIT = ["a\nb", "a\rb", "a\x00b", " a", "a ", "x" * 9_000, "a\x1b[31m", "\u202eb", ""]


@pytest.fixture
def line(company: str) -> str:
    """A client profile `line` with money and a number; its username."""
    made = profiles.create_client("line", 2, ("sip.example.com", 5060), NOW, sign_in=SignIn("99051", "geheim"))
    credit.add("line", 10 * MICROS, "line", NOW)
    numbers.add("+442079460300", "line", NOW)
    return made


def admitted(got: Admitted | Refusal | Emergency) -> Admitted:
    """What was admitted."""
    assert isinstance(got, Admitted), got
    return got


def test_a_client_calls_out_by_its_provider_only(line: str, office: Credentials) -> None:
    """And a server profile by the carriers only."""
    assert admitted(calls.admit(attempt(line), "n")).targets[0].endpoint == f"connector-{line}"
    assert [t.endpoint for t in admitted(calls.admit(attempt(office.username), "n")).targets] == ["connector-carrier"]


def test_a_call_in_to_a_client_goes_on_in_its_dialplan(line: str) -> None:
    """From its provider to its number; from a carrier, or to another's number, there is no such number."""
    got = admitted(calls.admit(attempt(line, direction=Direction.IN, dialled="+442079460300"), "n"))
    assert (got.targets, got.context, got.called) == ((), "from-connector", "+442079460300")
    by_carrier = calls.admit(attempt("carrier", direction=Direction.IN, dialled="+442079460300"), "n")
    assert by_carrier == refusals.NUMBER_UNKNOWN


def test_trunks_are_tried_by_place_and_each_gets_the_number_as_it_wants_it(office: Credentials) -> None:
    """E.164 with +, bare, with 00; one that is drained or suspended is not tried, and takes no call in."""
    trunks.create_trunk("bare", "192.0.2.1", 5060, NOW, place=2, options=Options(number_form="bare"), failover="503")
    trunks.create_trunk("zeros", "192.0.2.2", 5060, NOW, place=3, options=Options(number_form="zeros"), failover="")
    got = admitted(calls.admit(attempt(office.username), "n"))
    assert got.targets[1:] == (
        Target("connector-bare", "442079460001", ("503",), "442079460100"),
        Target("connector-zeros", "00442079460001", (), "00442079460100"),
    )
    into = attempt("bare", direction=Direction.IN, dialled="442079460100")
    assert admitted(calls.admit(into, "n")).called == "+442079460100"
    trunks.set_state("bare", "draining")
    assert [t.endpoint for t in admitted(calls.admit(attempt(office.username), "n")).targets] == [
        "connector-carrier",
        "connector-zeros",
    ]
    closed = calls.admit(attempt("bare", direction=Direction.IN, dialled="442079460100"), "n")
    assert closed == refusals.TRUNK_CLOSED
    for name in ("carrier", "zeros"):
        trunks.set_state(name, "suspended")
    assert calls.admit(attempt(office.username), "n") == refusals.NO_TRUNK


def test_the_record_names_the_trunk_that_was_tried_last(office: Credentials) -> None:
    """Whichever of them carried the call in the end."""
    trunks.create_trunk("second", "192.0.2.1", 5060, NOW, place=2)
    got = admitted(calls.admit(attempt(office.username), "n"))
    calls.dialled(got.call_id, "B", "carrier")
    calls.dialled(got.call_id, "C", "second")
    (live,) = calls.live()
    assert (live.trunk, live.other_leg) == ("second", "C")


def test_a_closed_profile_carries_no_new_calls(office: Credentials) -> None:
    """Draining or suspended; Asterisk knows it all the while, for an emergency call does not pass the gate."""
    profiles.set_state("office", "draining")
    assert calls.admit(attempt(office.username), "n") == refusals.PROFILE_DRAINING
    assert [pbx.name for pbx in profiles.inward(NOW)] == [office.username]
    assert profiles.set_state("office", "suspended").status == "suspended"
    assert calls.admit(attempt(office.username), "n") == refusals.PROFILE_SUSPENDED
    assert [pbx.name for pbx in profiles.inward(NOW)] == [office.username]
    assert profiles.set_state("office", "open").status == "active"
    admitted(calls.admit(attempt(office.username), "n"))


def test_after_a_rotation_both_passwords_are_good_for_a_while(office: Credentials) -> None:
    """Then the new one only; at once, if no overlap is wanted; and the one before the last never."""
    first = digest(office.username, "asterisk", office.password)
    second = profiles.rotate("office", NOW, HOUR_MS)
    new = digest(office.username, "asterisk", second.password)
    assert profiles.inward(NOW)[0].digests == (new, first)
    before, after = profiles.sip_stamp(NOW + HOUR_MS - 1), profiles.sip_stamp(NOW + HOUR_MS)
    assert before != after
    assert profiles.inward(NOW + HOUR_MS)[0].digests == (new,)
    third = profiles.rotate("office", NOW + 1, 0)
    assert profiles.inward(NOW + 1)[0].digests == (digest(office.username, "asterisk", third.password),)


def test_secrets_are_sealed(line: str, office: Credentials, store: Store) -> None:
    """A provider's password is in the store, and nobody reads it there; another key opens nothing and seals nothing."""
    (provider,) = [end for end in trunks.outward() if end.username]
    assert (provider.password, provider.profile, provider.host) == ("geheim", line, "sip.example.com")
    assert "geheim" not in everything_in(store)
    assert "geheim" not in repr(SignIn("99051", "geheim"))
    vault.use_new_key()
    for asked in (
        trunks.outward,
        lambda: profiles.inward(NOW),
        lambda: profiles.create_profile("other", 0, "asterisk", NOW),
    ):
        with pytest.raises(SecretsLocked, match="does not open the secrets of this store"):
            asked()


def test_a_pbx_or_carrier_at_a_taken_address_is_refused(company: str, office: Credentials) -> None:
    """By address and port they could not be told apart, whichever way they would be known by it."""
    profiles.create_profile("by address", 0, "asterisk", NOW, at=("192.0.2.9", 5060))
    trunks.create_trunk("second", "192.0.2.8", 5060, NOW, options=Options(transport="tcp"))
    for wrong in (
        lambda: profiles.create_profile("again", 0, "asterisk", NOW, at=("192.0.2.9", 5060)),
        lambda: profiles.create_profile("again", 0, "asterisk", NOW, at=("192.0.2.8", 1234)),
        lambda: trunks.create_trunk("again", "192.0.2.9", 5060, NOW),
        lambda: trunks.create_trunk("again", "192.0.2.7", 5060, NOW, options=Options(match=("192.0.2.9",))),
        lambda: trunks.change("second", options={"match": ("192.0.2.9",)}),
    ):
        with pytest.raises(BadInput, match="already"):
            wrong()
    profiles.create_profile("other port", 0, "asterisk", NOW, at=("192.0.2.9", 5061))


@pytest.mark.parametrize("word", UNFIT, ids=lambda word: repr(word)[:12])
def test_words_that_cannot_be_carried_are_refused(company: str, word: str) -> None:
    """One clear line, which does not quote a password, and nothing is made."""
    with pytest.raises(BadInput) as said:
        SignIn("user", word)
    assert not word or len(word) < 3 or word not in str(said.value)
    with pytest.raises(BadInput):
        SignIn(word, "word")
    with pytest.raises(BadInput):
        trunks.create_trunk("t", word, 5060, NOW)
    with pytest.raises(BadInput):
        profiles.create_profile("x", 0, "asterisk", NOW, at=(word, 5060))
    for option in ("from_user", "from_domain", "contact_user", "context", "transport", "dtmf"):
        if word or option not in ("from_user", "from_domain", "contact_user"):
            with pytest.raises(BadInput):
                Options(**{option: word})  # type: ignore[arg-type]
    assert [trunk.name for trunk in trunks.list_trunks()] == ["carrier"]


@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 65536}, {"place": 0}, {"share": 0}, {"failover": "200"}])
def test_figures_out_of_bounds_are_refused(company: str, wrong: dict[str, object]) -> None:
    """And nothing is changed."""
    before = trunks.show_trunk("carrier")
    with pytest.raises(BadInput):
        trunks.change("carrier", **wrong)  # type: ignore[arg-type]
    assert trunks.show_trunk("carrier") == before


def test_a_changed_password_keeps_the_realm(line: str) -> None:
    """So that Asterisk goes on with a digest."""
    trunks.change(line, sign_in=SignIn("99051", "geheim", "example"))
    trunks.change(line, sign_in=SignIn("99051", "neu"))
    (provider,) = [end for end in trunks.outward() if end.username]
    assert (provider.password, provider.realm) == ("neu", "example")


def test_a_deleted_client_leaves_no_trunk_and_no_secret(line: str, store: Store) -> None:
    """Its way to the provider is gone for Asterisk, and its address is free."""
    plans.delete_profile("line", NOW + 1)
    assert [end.name for end in trunks.outward()] == ["carrier"]
    with pytest.raises(NotFound):
        trunks.show_trunk(line)
    profiles.create_client("line", 0, ("sip.example.com", 5060), NOW, sign_in=SignIn("99051", "geheim"))


def test_a_client_says_what_it_wants_by_its_trunk(line: str) -> None:
    """Its PBX is this Asterisk: there is nothing to rotate and no endpoint of its own."""
    assert [pbx.name for pbx in profiles.inward(NOW)] == []
    with pytest.raises(BadInput, match="provider's trunk"):
        profiles.rotate("line", NOW)
    with pytest.raises(BadInput, match="provider's trunk"):
        profiles.change("line", options={"dtmf": "info"})
    assert trunks.change("line", options={"dtmf": "info"}).options.dtmf == "info"
    view = profiles.show_profile("line")
    assert (view.role, view.auth, view.address, view.port) == ("client", "registration", "sip.example.com", 5060)
