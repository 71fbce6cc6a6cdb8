"""Companies, profiles, numbers, trunks."""

from __future__ import annotations

import pytest

from connector.billing import numbers, profiles
from connector.billing.profiles import Credentials
from connector.core.credentials import digest
from connector.database.models import TABLES
from connector.database.sqlite import FileStore
from connector.database.store import Store, reading, rows
from connector.errors import BadInput, NotFound
from connector.routing import trunks
from tests.conftest import NOW


def everything_in(store: Store) -> str:
    """Every value of every row."""
    if isinstance(store, FileStore):
        files = store.path.parent.glob("connector.db*")
        return b"".join(path.read_bytes() for path in files).decode(errors="replace")
    with reading():
        return repr([rows(f'SELECT * FROM "{vars(model)["_meta"].table_name}"') for model in TABLES])


def test_a_profile_keeps_a_digest_and_no_password(office: Credentials, store: Store) -> None:
    """The password is shown once; the store can check it and not tell it, and even the digest is sealed in it."""
    (pbx,) = profiles.inward(NOW)
    assert pbx.digests == (digest(office.username, "asterisk", office.password),)
    assert len(office.password) >= 24
    store.close()
    everything = everything_in(store)
    assert office.password not in everything
    assert pbx.digests[0] not in everything


def test_channels_are_sold_by_the_rule(company: str) -> None:
    """105 asked are 110 sold; none make an inactive profile."""
    profiles.create_profile("big", 105, "asterisk", NOW)
    profiles.create_profile("none", 0, "asterisk", NOW)
    assert {p.name: (p.channels, p.status) for p in profiles.list_profiles()} == {
        "big": (110, "active"),
        "none": (0, "inactive"),
    }


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 61, "a\x00b"])
def test_unfit_names_are_refused(name: str, company: str) -> None:
    """One clear error, and nothing is made."""
    with pytest.raises(BadInput):
        profiles.create_profile(name, 1, "asterisk", NOW)
    assert profiles.list_profiles() == []


def test_names_and_numbers_are_taken_once(office: Credentials) -> None:
    """A second of the same is an error that says so."""
    with pytest.raises(BadInput, match="already"):
        profiles.create_profile("office", 1, "asterisk", NOW)
    with pytest.raises(BadInput, match="taken"):
        numbers.add("00442079460100", "office", NOW)
    with pytest.raises(BadInput, match="not a number"):
        numbers.add("0207", "office", NOW)
    with pytest.raises(BadInput, match="already"):
        profiles.create_company("Acme", "GBP", "Europe/London", NOW)
    with pytest.raises(BadInput, match="already"):
        trunks.create_trunk("carrier", "192.0.2.1", 5060, NOW)
    with pytest.raises(BadInput, match="begins with a letter"):
        trunks.create_trunk("evil]\n[x", "192.0.2.1", 5060, NOW)


def test_one_profile_is_found_by_name_or_username(office: Credentials) -> None:
    """And what is not there is said not to be."""
    assert profiles.show_profile("office") == profiles.show_profile(office.username)
    assert profiles.show_profile("office").numbers == ["+442079460100"]
    with pytest.raises(NotFound):
        profiles.show_profile("nobody")


def test_with_several_companies_one_has_to_be_named(company: str) -> None:
    """A profile of the wrong company would be somebody else's bill."""
    profiles.create_company("Other", "EUR", "Europe/Berlin", NOW)
    with pytest.raises(BadInput, match="Name the one that is meant"):
        profiles.create_profile("office", 1, "asterisk", NOW)
    profiles.create_profile("office", 0, "asterisk", NOW, "Other")
    with pytest.raises(NotFound):
        profiles.create_profile("office", 1, "asterisk", NOW, "Nobody")
