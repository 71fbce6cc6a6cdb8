"""What the house's pages do: trunks, rate decks, numbers for sale and those that may be shown."""

from __future__ import annotations

import pytest

from connector.billing import decks, numbers, profiles
from connector.core.access import EVERYTHING
from connector.core.paging import Turn
from connector.database import audit
from connector.routing import trunks
from connector.routing.trunks import outward
from connector.web.site import PAGES, frame, serve
from tests.conftest import NOW, FixedClock
from tests.web.browsing import Client, chosen, confirmed, file_confirmed, get, hidden, send, sent_file, welcomed
from tests.web.conftest import Town
from tests.web.test_site import path_of

DECK = "prefix,name,price_per_minute\n44,United Kingdom,0.70\n33,France,0.20\n"
TRUNK = {
    "host": "192.0.2.9",
    "port": "",
    "username": "",
    "password": "",
    "realm": "",
    "place": "2",
    "share": "1",
    "failover": "503 408",
    "transport": "udp",
    "codecs": "alaw, ulaw",
    "dtmf": "rfc4733",
    "qualify_s": "",
    "timers": "yes",
    "caller_id": "both",
    "number_form": "plus",
    "match": "",
    "from_user": "",
    "from_domain": "",
    "contact_user": "",
}


async def test_the_house_sees_every_page(client: Client, town: Town) -> None:
    """Each page, as an owner of the house who looks at a company: none is refused, and none is a defect."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    for page in PAGES:
        await get(client, path_of(page, town.things))


async def test_a_form_says_what_it_is_about(client: Client, town: Town) -> None:
    """By the name that people have for it, before anything is confirmed."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    things = town.things
    for path, heading in (
        ("/accounts/sales/remove", "Remove an account: sales"),
        (f"/profiles/{things['profile']}/credit/add", "Add credit: office"),
        (f"/people/{things['user']}", "Change a user: viewer@example.com"),
        (f"/alerts/webhooks/{things['webhook']}/remove", "Remove a webhook: https://example.com/notices"),
        (f"/buttons/{things['button']}/change", "Change a call button: website"),
        ("/mailboxes/101/remove", "Remove a mailbox: 101"),
        ("/numbers/%2B442079460100/route", "Where calls to a number ring: +442079460100"),
        ("/profiles/new", "Set up a SIP profile"),
    ):
        assert f"<h1>{heading}</h1>" in await get(client, path)
    status, asked = await send(client, f"/buttons/{things['button']}/remove")
    assert (status, "<h1>Remove a call button: website</h1>" in asked) == (200, True)


async def test_a_trunk_comes_changes_and_goes(client: Client, town: Town) -> None:
    """A password is taken and never sent back; what is left empty stays; a change is in effect."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    wrong = await send(client, "/trunks/new", name="Not a name", **TRUNK)
    assert (wrong[0], "begins with a letter" in wrong[1]) == (422, True)
    wrong = await send(client, "/trunks/new", name="second", **{**TRUNK, "username": "us", "password": "hush\ttab"})
    assert (wrong[0], "hush" in wrong[1]) == (422, False)
    wrong = await send(client, "/trunks/new", name="second", **{**TRUNK, "transport": "pigeon"})
    assert (wrong[0], "this node has no pigeon: it has udp, tls" in wrong[1]) == (422, True)
    wrong = await send(client, "/trunks/new", name="second", **{**TRUNK, "timers": "never"})
    assert (wrong[0], "Choose one of the options" in wrong[1]) == (422, True)
    assert (await send(client, "/trunks/new", name="new", **TRUNK))[0] == 422
    wrong = await send(client, "/trunks/new", name="second", **{**TRUNK, "realm": "alone"})
    assert (wrong[0], "need a user name" in wrong[1]) == (422, True)
    status, text = await send(
        client, "/trunks/new", name="second", **{**TRUNK, "username": "us", "password": "hush", "transport": "tls"}
    )
    assert (status, "second was added" in text) == (200, True), text
    made = trunks.show_trunk("second")
    assert (made.company, made.port, made.username, made.failover) == ("Acme", 5061, "us", "408 503")
    assert made.options.codecs == ("alaw", "ulaw")
    assert made.options.nat is False
    path = "/trunks/second"
    assert "hush" not in await get(client, path)
    kept = {**TRUNK, "username": "us", "port": "5080", "transport": "tls"}
    status, text = await send(client, path, **{**kept, "realm": "over.there"})
    assert (status, "belongs to a password" in text) == (422, True)
    status, text = await send(client, path, **{**kept, "username": "others"})
    assert (status, "Enter the password" in text) == (422, True)
    assert (await send(client, path, **{**kept, "username": ""}))[0] == 422
    status, text = await send(client, path, **{**kept, "password": "loud", "codecs": "alwa"})
    assert (status, "Enter it again" in text, "loud" in text) == (422, True, False)
    stale = hidden(await get(client, path))
    trunks.change("second", share=9)
    answer = await client.post(path, data={**stale, **kept})
    text = await answer.text()
    assert (answer.status, "changed this in the meantime" in text, trunks.show_trunk("second").share) == (422, True, 9)
    status, text = await send(client, path, **{**kept, "codecs": "g722", "nat": "true", "place": "7"})
    assert (status, "was changed" in text) == (200, True), text
    made = trunks.show_trunk("second")
    assert (made.port, made.options.codecs, made.options.nat, made.place) == (5080, ("g722",), True, 7)
    (signs_in,) = [each.password for each in outward() if each.name.endswith("second")]
    assert signs_in == "hush"
    assert (await send(client, f"{path}/state", state="asleep"))[0] == 422
    await send(client, f"{path}/state", state="draining")
    assert trunks.show_trunk("second").state == "draining"
    asked, said = await confirmed(client, f"{path}/remove")
    assert "192.0.2.9:5080" in asked
    assert "second was removed" in said
    assert [view.name for view in trunks.list_trunks()] == ["carrier", "far"]
    told = [entry.action for entry in audit.page_of(EVERYTHING, Turn(None, 4)).items]
    assert told == ["trunk.remove", "trunk.state", "trunk.change", "trunk.create"]
    profiles.create_client("second", 0, ("192.0.2.77", 5060), NOW, "Other")  # a name that was a trunk's
    await get(client, path, 404)
    await get(client, f"{path}/state", 404)


async def test_a_realm_is_shown_and_cleared(client: Client, town: Town) -> None:
    """It is no secret; empty, together with the password, it is unknown again."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    signs = {**TRUNK, "username": "us", "password": "hush"}
    await send(client, "/trunks/new", name="second", **{**signs, "realm": "wrong.example"})
    assert 'value="wrong.example"' in await get(client, "/trunks/second")
    await send(client, "/trunks/second", **{**signs, "port": "5060"})
    assert trunks.show_trunk("second").realm == ""


async def test_a_profile_at_a_provider_is_set_up(client: Client, town: Town) -> None:
    """This Asterisk is its PBX; its page says what the dialplan needs; its trunk is changed like another, and stays."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    fields = {**TRUNK, "username": "us", "password": "hush", "caller_id": "pai", "context": "from-provider"}
    status, text = await send(client, "/client-profiles/new", name="branch office", country="gb", **fields)
    assert (status, "[from-provider]" in text) == (200, True), text
    made = profiles.show_profile("branch office")
    assert (made.role, made.country) == ("client", "GB")
    trunk = trunks.show_trunk("branch office").name
    text = await get(client, "/trunks")
    assert f"/trunks/{trunk}/state" in text
    assert f"/trunks/{trunk}/remove" not in text
    assert "on the page Trunks" in await get(client, f"/profiles/{made.username}/sip", 409)


async def test_how_a_pbx_speaks_is_changed(client: Client, town: Town) -> None:
    """By who may change profiles; networks and codecs are checked, and one wrong word changes nothing."""
    await welcomed(client, "operator@example.com")
    path = f"/profiles/{town.things['profile']}/sip"
    fields = {**TRUNK, "max_contacts": "2", "acl": "192.0.2.0/24", "srtp": "true", "nat": "true"}
    status, text = await send(client, path, **{**fields, "acl": "everybody"})
    assert (status, "Invalid network" in text) == (422, True)
    assert profiles.show_profile(town.things["profile"]).options.srtp is False
    assert (await send(client, path, **fields))[0] == 200
    options = profiles.show_profile(town.things["profile"]).options
    assert (options.srtp, options.max_contacts, options.acl) == (True, 2, ("192.0.2.0/24",))
    assert "192.0.2.0/24" in await get(client, path)
    path = f"/profiles/{town.things['profile']}/address"
    assert (await send(client, path, address="192.0.2.1", port="5060"))[0] == 403  # it may be another company's
    client.session.cookie_jar.clear()
    await welcomed(client, "house@example.com")
    await chosen(client)
    status, text = await send(client, path, address="192.0.2.1", port="5060")
    assert (status, "It does not sign in by an address" in text) == (422, True)


async def test_a_deck_is_looked_at_and_then_in_use(client: Client, town: Town) -> None:
    """What changes is shown, nothing is changed by looking; confirmed it is in use, the very text that was sent."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    path, before = "/money/decks/new", [view.version for view in decks.list_decks("Acme")]
    for wrong in ("", "prefix,name\n44,UK\n", "prefix,name,price_per_minute\n44,UK,free\n"):
        status, text = await sent_file(client, path, wrong, name="wrong")
        assert status == 422, text
        assert "Traceback" not in text
    status, text = await sent_file(client, path, b"44,R\x81union,1", name="wrong")
    assert (status, "Save it as" in text) == (409, True)
    assert (await sent_file(client, path, DECK, name="a\x1b[31m"))[0] == 422
    sent = DECK.replace("\n", "\r\n").encode("utf-8-sig")
    status, asked = await sent_file(client, path, sent, name="May & June", mode="full")
    assert status == 200, asked
    assert "Prefixes that end" in asked
    assert "+33 France" in asked
    _, other = await sent_file(client, path, DECK, name="of another window")
    assert [view.version for view in decks.list_decks("Acme")] == before
    said = await file_confirmed(client, path, asked)
    assert "May &amp; June is in use from" in said
    newest = decks.list_decks("Acme")[0]
    assert (newest.name, newest.rates) == ("May & June", 2)
    again = await file_confirmed(client, path, asked)
    assert "May &amp; June" in again
    assert "The rate decks have changed meanwhile" in await file_confirmed(client, path, other)
    assert len(decks.list_decks("Acme")) == len(before) + 1


SHEET = "Carrier A;;;\n;;;\nZiel;Vorwahl;Preis;Gültig ab\nÖsterreich;43;0,0089;01/02/2026\nIridium;8816;n/a;\n"


async def test_a_carriers_sheet_is_loaded_after_one_look(client: Client, town: Town) -> None:
    """What can be read in two ways is asked; how it is understood is shown; the next one of the carrier is not asked
    about again, and one with other columns is.
    """
    await welcomed(client, "house@example.com")
    await chosen(client)
    path = "/money/decks/new"
    raw = SHEET.encode("cp1252")
    status, text = await sent_file(client, path, raw, name="A", carrier="Carrier A")
    assert status == 422
    assert "Is 01/02/2026 written with the day or with the month first?" in text
    status, asked = await sent_file(client, path, raw, name="A", carrier="Carrier A", date_order="day")
    assert status == 200, asked
    for words in (
        "Vorwahl: prefix (95 % sure)",
        "+43 Österreich: £0.0089 a minute, in steps of 30/6, from 1 February 2026",
        "+8816 Iridium: cannot be called",
        "Prefixes that cannot be called",
    ):
        assert words in asked
    await file_confirmed(client, path, asked)
    assert (decks.list_decks("Acme")[0].name, decks.list_decks("Acme")[0].rates) == ("A", 7)
    assert (await sent_file(client, path, raw, name="B", carrier="Carrier A"))[0] == 200
    assert (await sent_file(client, path, raw, name="B", carrier="Carrier B"))[0] == 422
    assert (await sent_file(client, path, raw.replace(b"Ziel", b"Name"), name="B", carrier="Carrier A"))[0] == 422
    headers = {"Authorization": f"Bearer {town.tokens['house']}"}
    body: dict[str, object] = {"name": "by the API", "csv": SHEET.replace("01/02", "01/03"), "carrier": "Carrier B"}
    answer = await client.post("/api/v1/rates/decks?company=1", json=body, headers=headers)
    assert (answer.status, "date_order: day" in await answer.text()) == (409, True)
    answer = await client.post(
        "/api/v1/rates/decks?company=1", json=body | {"answers": {"date_order": "month"}}, headers=headers
    )
    assert answer.status == 201, await answer.text()


async def test_a_file_that_is_too_long_is_refused(client: Client, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may send one is told that it is too long; who may not is told that, whatever they send."""
    monkeypatch.setattr(serve, "MOST_FILES", 300_000)
    long = DECK + "".join(f"1{number:07d},Somewhere,0.10\n" for number in range(20_000))
    await welcomed(client, "house@example.com")
    await chosen(client)
    assert (await sent_file(client, "/money/decks/new", long, name="long"))[0] == 413
    client.session.cookie_jar.clear()
    await welcomed(client, "owner@example.com")
    answer = await client.post("/money/decks/new", data={"file": long[:200_000]})
    assert answer.status == 403
    assert frame.MOST_UPLOAD == 8 << 20


async def test_a_sheet_that_waited_is_in_use_ten_seconds_after_it_is_stored(
    client: Client, town: Town, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it took to come to its turn: by then every node has to have read it."""
    read = decks.read

    def slow(*args: object, **kwargs: object) -> decks.ReadDeck:
        """Another long sheet is read before."""
        clock.now += 60_000
        return read(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(decks, "read", slow)
    await welcomed(client, "house@example.com")
    await chosen(client)
    _, asked = await sent_file(client, "/money/decks/new", DECK, name="by the page")
    await file_confirmed(client, "/money/decks/new", asked)
    assert decks.list_decks("Acme")[0].in_use_at == clock.now + decks.IN_USE_AFTER_MS
    headers = {"Authorization": f"Bearer {town.tokens['house']}"}
    body = {"name": "by the API", "csv": DECK, "mode": "update"}
    answer = await client.post("/api/v1/rates/decks?company=1", json=body, headers=headers)
    assert answer.status == 201, await answer.text()
    newest = decks.list_decks("Acme")[0]
    assert (newest.name, newest.in_use_at) == ("by the API", clock.now + decks.IN_USE_AFTER_MS)


async def test_what_a_call_costs_is_told(client: Client, town: Town) -> None:
    """To who sees money: rate, seconds and price; a number that is none, and another's profile, are said to be."""
    await welcomed(client, "viewer@example.com")
    text = await get(client, f"/money/price?number=%2B442079460001&minutes=2&profile={town.things['profile']}")
    assert "Seconds charged" in text
    assert "120, of which 0 from bundles" in text
    assert "Invalid number" in await get(client, "/money/price?number=12")
    assert "1 to 1440 minutes" in await get(client, "/money/price?number=%2B442079460001&minutes=9999999")
    other = town.other["profile"]
    assert "no such profile" in await get(client, f"/money/price?number=%2B442079460001&profile={other}")


async def test_numbers_are_put_up_for_sale(client: Client, town: Town) -> None:
    """What would change is told first; then they are there, by country and area; a wrong line is named, and none is."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    lines = "number,monthly_fee,country,currency\n+442079460310,2.50,GB,GBP\n+12025550311,1,US,USD\n"
    status, text = await sent_file(client, "/stock/import", lines + "12,1,GB,GBP\n")
    assert (status, "line 4" in text) == (422, True), text
    status, asked = await sent_file(client, "/stock/import", lines)
    assert (status, "New numbers" in asked) == (200, True)
    assert numbers.for_sale() == []
    assert "2 numbers are new" in await file_confirmed(client, "/stock/import", asked)
    text = await get(client, "/stock?country=US")
    assert "+12025550311" in text
    assert "+442079460310" not in text
    assert "Invalid area code" in await get(client, "/stock?area=x")


async def test_a_number_of_its_own_and_one_to_show(client: Client, town: Town) -> None:
    """Noted by the house; another's number may not be shown; what is forgotten may not be shown any more."""
    await welcomed(client, "house@example.com")
    await chosen(client)
    assert (await send(client, "/numbers/new", number="12", profile=""))[0] == 422
    await send(client, "/numbers/new", number="+442079460177", profile=town.things["profile"])
    assert numbers.show("+442079460177").profile == "office"
    moved = "/numbers/%2B442079460177/attach"  # what it is at is chosen already
    assert f'<option value="{town.things["profile"]}" selected>' in await get(client, moved)
    assert (await send(client, "/numbers/new", number="+442079460178", profile=town.other["profile"]))[0] == 422
    status, text = await send(client, "/numbers/verified/new", number="+12025550100", evidence="they say so")
    assert (status, "another company" in text) == (422, True)
    await send(client, "/numbers/verified/new", number="+442079460179", evidence="a <bill>")
    text = await get(client, "/numbers/verified")
    assert "a &lt;bill&gt;" in text
    await send(client, "/numbers/verified/%2B442079460179/forget")
    assert numbers.verified("Acme") == []
