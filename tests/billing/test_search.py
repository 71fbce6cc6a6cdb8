"""What is found by a part of its name, and by whom."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from connector.billing import calls, credit, invoices, numbers, profiles, search
from connector.billing.profiles import Credentials
from connector.core.access import EVERYTHING, PERMISSIONS, Scope
from connector.core.calls import Attempt, Direction
from connector.core.money import MICROS
from tests.billing.test_invoices import TERMS, issue_due
from tests.conftest import NOW
from tests.core.test_invoices import BUYER


def names(text: str, scope: Scope = EVERYTHING, may: object = PERMISSIONS) -> list[tuple[str, str]]:
    """What is found, by its kind and name."""
    assert isinstance(may, dict | set | frozenset)
    return [(each.kind, each.name) for each in search.found(scope, text, frozenset(may))]


@pytest.fixture
def things(office: Credentials) -> Credentials:
    """A second company, an invoice, and a refused call, beside the office."""
    profiles.create_company("Other", "EUR", "Europe/Paris", NOW)
    profiles.create_profile("Office 100% east_side", 0, "asterisk", NOW, company="Other")
    invoices.set_buyer("Acme", asdict(BUYER), TERMS)
    credit.top_up(MICROS, "second", NOW, "Acme")
    issue_due(TERMS, NOW)
    calls.admit(
        Attempt("abcdef0123456789", Direction.OUT, "A", office.username, "+449000000000", "1", NOW, NOW), "node"
    )
    return office


def test_each_kind_is_found(things: Credentials) -> None:
    """By a part of a name, whatever its case; by digits of a number, however they are written; by how an id begins."""
    assert names("OFFI") == [("profile", "Office 100% east_side"), ("profile", "office")] or names("OFFI") == [
        ("profile", "office"),
        ("profile", "Office 100% east_side"),
    ]
    assert names(things.username) == [("profile", "office")]
    for typed in ("+44 20 7946 0100", "020 7946-0100", "79460100", "946"):
        assert ("number", "+442079460100") in names(typed), typed
    assert names("abcdef01") == [("call", "abcdef0123456789")]
    assert names("ABCDEF0123456789") == [("call", "abcdef0123456789")]
    assert names("INV-000002") == [("invoice", "INV-000002")]
    assert names("carr") == [("trunk", "carrier")]


@pytest.mark.parametrize("text", ["", " ", "%", "_", "!", "x%y", "ab", "abcde", "'; DROP TABLE cdr", "\x00", "9" * 40])
def test_nothing_is_found_by_what_says_nothing(things: Credentials, text: str) -> None:
    """Signs of patterns are signs; too few of an id or of digits are too few; nothing is a defect."""
    assert [each for each in names(text) if each[1] != "Office 100% east_side"] == []


def test_signs_of_patterns_are_found_as_they_are(things: Credentials) -> None:
    """A name may have them."""
    assert names("100%") == [("profile", "Office 100% east_side")]
    assert names("t_s") == [("profile", "Office 100% east_side")]


def test_nobody_finds_what_they_do_not_see(things: Credentials) -> None:
    """Another company's, another profile's, and what takes a permission that they do not have."""
    other = Scope(2)
    assert names("office", other) == [("profile", "Office 100% east_side")]
    for text in ("79460100", "abcdef01", "INV-000002"):
        assert names(text, other) == []
        assert names(text, may=set()) == []
    assert names("carr", may={"profiles.read"}) == []
    numbers.add("+442079460111", None, NOW, company="Acme")
    assert names("7946", Scope(1, 1)) == [("number", "+442079460100")]
    assert names("INV-000002", Scope(1, 1)) == []
