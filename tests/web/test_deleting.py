"""Deleting a profile on pages: what is lost is named, each number, account and call button has a choice, and what was
deleted can be looked at.
"""

from __future__ import annotations

import pytest

from connector.billing import credit, numbers, plans, profiles
from connector.core.access import EVERYTHING, Scope
from connector.core.paging import Turn
from connector.database import audit
from connector.database.store import writing
from connector.errors import BadInput, NotFound
from connector.routing import buttons, routes
from tests.conftest import NOW
from tests.web.browsing import Client, confirmed, get, hidden, send, welcomed
from tests.web.conftest import Town

OWN, BOUGHT = "+442079460100", "+442079460110"
DAY_MS = 86_400_000


@pytest.fixture
def shop(town: Town) -> str:
    """The username of another profile of the company; the first one has a number more, which is paid for."""
    numbers.import_stock(f"number,monthly_fee,country,currency\n{BOUGHT},2,GB,GBP\n", NOW)
    numbers.buy(BOUGHT, 1, NOW, profile=town.things["profile"])
    return profiles.create_profile("shop", 0, "asterisk", NOW, "Acme").username


async def test_what_is_lost_is_named_to_the_penny(client: Client, town: Town, shop: str) -> None:
    """The unused part of the term, as a change would give it back, which a deletion does not."""
    await welcomed(client, "owner@example.com")
    lost = plans.change(town.things["profile"], 4, 0, NOW, dry_run=True).refund_micros
    assert lost > 0
    asked, said = await confirmed(client, f"/profiles/{town.things['profile']}/delete")
    assert f"<dt>Lost: the unused part of the running term</dt><dd>£{lost / 1_000_000:.2f}</dd>" in asked
    assert "was deleted" in said


async def test_each_thing_goes_where_it_was_chosen_to_go(client: Client, town: Town, shop: str) -> None:
    """To another profile, back to the seller, away, or nowhere in particular; all of it with the deletion, or none."""
    await welcomed(client, "owner@example.com")
    path = f"/profiles/{town.things['profile']}/delete"
    routes.create_account("desk", town.things["profile"], "", NOW, "Acme")
    spare = buttons.create("spare", "desk", 2, NOW, "Acme").id
    text = await get(client, path)
    for words in (OWN, BOUGHT, "sales", "website (sales)", "goes to shop", "is removed, with its call buttons"):
        assert words in text
    fields = {
        f"goes_{OWN}": f"to:{shop}",
        f"goes_{BOUGHT}": "remove",
        "goes_sales": "remove",
        "goes_desk": f"to:{shop}",
        f"goes_{spare}": "remove",
    }
    asked, _ = await confirmed(client, path, **fields)
    for line in (
        f"<dt>Number {OWN}</dt><dd>goes to shop</dd>",
        f"<dt>Number {BOUGHT}</dt><dd>is given back at the end of the paid period</dd>",
        "<dt>Account sales</dt><dd>is removed, with its call buttons</dd>",
        "<dt>Call button spare (desk)</dt><dd>is removed</dd>",
    ):
        assert line in asked
    assert numbers.show(OWN).profile == "shop"
    assert (numbers.show(BOUGHT).profile, numbers.show(BOUGHT).renews) == (None, False)
    with pytest.raises(NotFound):
        routes.show_account("sales")
    assert routes.show_account("desk").profile == "shop"
    assert buttons.page_of(Scope(1), Turn(None, 10)).items == []


async def test_nothing_is_done_for_a_choice_that_cannot_be(client: Client, town: Town, shop: str) -> None:
    """Another company's profile, the profile itself, something that is not attached, a choice that was not offered,
    and a route that would lead out of its profile.
    """
    await welcomed(client, "owner@example.com")
    username = town.things["profile"]
    path = f"/profiles/{username}/delete"
    before = credit.balance("Acme")
    routes.set_route(OWN, "account sales, busy")
    for name, choice in (
        (OWN, f"to:{town.other['profile']}"),
        (OWN, f"to:{username}"),
        (OWN, "to:"),
        (OWN, "sell"),
        (OWN, "remove x"),
        (OWN, "\nremove"),
        (OWN, ""),
        (town.things["button"], f"to:{shop}"),
        ("+12025550100", "remove"),
        ("ventas", f"to:{shop}"),
        ("9999", "remove"),
        (OWN, f"to:{shop}"),  # and its account does not go with it
    ):
        answer = await client.post(path, data={**hidden(await get(client, path)), f"goes_{name}": choice})
        assert answer.status in (404, 422), (name, choice)
    assert profiles.show_profile(username).status == "active"
    assert credit.balance("Acme") == before
    asked, _ = await confirmed(client, path, **{f"goes_{OWN}": f"to:{shop}", "goes_sales": f"to:{shop}"})
    assert "Account sales</dt><dd>goes to shop" in asked
    assert numbers.show(OWN).profile == routes.show_account("sales").profile == "shop"


async def test_what_is_confirmed_is_what_was_shown(client: Client, town: Town, shop: str) -> None:
    """Not what was attached, and not what more would be lost, since it was."""
    await welcomed(client, "owner@example.com")
    username = town.things["profile"]
    path = f"/profiles/{username}/delete"
    _, asked = await send(client, path)
    routes.create_account("desk", username, "", NOW, "Acme")
    answer = await client.post(path, data=hidden(asked))
    assert answer.status == 422
    assert "Somebody has changed this in the meantime" in await answer.text()
    _, asked = await send(client, path)
    plans.change(username, 10, 0, NOW + DAY_MS)
    answer = await client.post(path, data=hidden(asked))
    assert answer.status == 422
    assert "More would be lost now" in await answer.text()
    assert profiles.show_profile(username).status == "active"
    assert (await client.post(path, data=hidden((await send(client, path))[1]))).status == 200


async def test_what_goes_stands_in_its_own_way_no_more(client: Client, town: Town, shop: str) -> None:
    """Things that lead to each other go together, in whatever order they come; a number of the company's own goes at
    once, and the form says so. The audit log names each.
    """
    await welcomed(client, "owner@example.com")
    username = town.things["profile"]
    routes.create_account("aaa", username, "", NOW, "Acme")
    routes.create_account("zzz", username, "account aaa, number +442079460100", NOW, "Acme")
    routes.set_route(BOUGHT, "account zzz")
    path = f"/profiles/{username}/delete"
    assert "leaves the company at once" in await get(client, path)
    names = ("aaa", "zzz", BOUGHT, OWN)
    asked, _ = await confirmed(client, path, **{f"goes_{name}": "remove" for name in names}, goes_sales=f"to:{shop}")
    assert f"<dt>Number {OWN}</dt><dd>leaves the company at once</dd>" in asked
    assert [view.name for view in routes.accounts() if view.company == "Acme"] == ["sales"]
    with pytest.raises(NotFound):
        numbers.show(OWN)
    noted = {(each.action, each.subject) for each in audit.page_of(Scope(1), Turn(None, 100)).items}
    assert {("account.attach", "sales"), ("account.remove", "zzz"), ("number.release", OWN)} <= noted
    assert not [action for action, _ in noted if action == "routes.set"]


async def test_more_things_than_a_form_has_fields_all_stay(client: Client, town: Town, shop: str) -> None:
    """None is chosen, and none can be."""
    await welcomed(client, "owner@example.com")
    username = town.things["profile"]
    with writing():
        for number in range(100):
            routes.create_account(f"many-{number}", username, "", NOW, "Acme")
    path = f"/profiles/{username}/delete"
    text = await get(client, path)
    assert "goes_" not in text
    assert "stay with the company, not attached to a profile" in text.replace("'", "&#39;")
    status, _ = await send(client, path, **{"goes_many-7": "remove"})
    assert status == 422
    asked, _ = await confirmed(client, path)
    assert "<dt>Numbers, accounts and call buttons</dt>" in asked
    assert routes.show_account("many-7").profile is None


async def test_who_may_not_route_deletes_and_chooses_nothing(client: Client, town: Town, shop: str) -> None:
    """All stay the company's."""
    await welcomed(client, "finance@example.com")
    path = f"/profiles/{town.things['profile']}/delete"
    assert "goes_" not in await get(client, path)
    status, text = await send(client, path, goes_sales="remove")
    assert status == 422
    assert "Only users who can attach numbers" in text
    asked, _ = await confirmed(client, path)
    assert "Account sales</dt><dd>stays, and cannot be called until it is attached" in asked
    assert routes.show_account("sales").profile is None


async def test_what_was_deleted_can_be_looked_at(client: Client, town: Town) -> None:
    """In the list of deleted profiles, by a name that says when; its page offers nothing that cannot be done."""
    await welcomed(client, "owner@example.com")
    username = town.things["profile"]
    await confirmed(client, f"/profiles/{username}/delete")
    assert "office (deleted" not in await get(client, "/profiles")
    text = await get(client, "/profiles?status=archived")
    assert "office (deleted 2026-11-18," in text
    text = await get(client, f"/profiles/{username}")
    assert "This profile was deleted." in text
    for link in ("/delete", "/channels", "/credit/add", "/rename", "/numbers/attach", "/test"):
        assert f'href="/profiles/{username}{link}"' not in text
    assert "deleted</span>" in text
    for words in ("has not been seen yet", "so it cannot be called", "Authentication details"):
        assert words not in text
    await get(client, f"/profiles/{username}/report")
    status, text = await send(client, f"/profiles/{username}/rename", name="again")
    assert status == 422
    assert [view.status for view in profiles.page_of(EVERYTHING, Turn(None, 10), "archived").items] == ["archived"]


def test_a_number_goes_to_a_profile_of_its_company_only(town: Town, shop: str) -> None:
    """By the function itself too."""
    for to in ({OWN: town.other["profile"]}, {"+12025550100": shop}, {OWN: town.things["profile"]}, {"none": shop}):
        with pytest.raises((BadInput, NotFound)):
            plans.delete_profile(town.things["profile"], NOW + DAY_MS, to)
    assert profiles.show_profile("office").status == "active"
