"""Where calls ring, on pages: rows of what there is, the path of a call beside them, and the text for experts."""

from __future__ import annotations

import re

import pytest

from connector.billing import numbers
from connector.database.store import run, writing
from connector.routing import mailboxes, routes
from connector.web.render import route_words
from tests.conftest import NOW
from tests.web.browsing import Client, get, hidden, send, welcomed
from tests.web.conftest import Town

# Fields of a row with what is taken there all the same: an order that is none is that of the rows.
TAKEN = {("order", value): "extension 101" for value in ("101; else: busy", "<script>", "x" * 500, "-1", "9" * 30)}
TAKEN["which", "9" * 30] = f"extension {'9' * 30}"  # a long one, but one
NUMBER = "/numbers/%2B442079460100/route"


def row(n: int, what: str, hours: str = "", which: str = "", seconds: str = "", order: str = "") -> dict[str, str]:
    """A row of the form."""
    given = {"what": what, "hours": hours, "which": which, "seconds": seconds, "order": order or str(n + 1)}
    return {f"{name}_{n}": value for name, value in given.items()}


def path(text: str) -> list[str]:
    """The path of a call that a page shows, line by line."""
    part = text[text.index('id="quoted"') :]
    return [f"{name}: {value}" for name, value in re.findall("<dt>([^<]*)</dt><dd>([^<]*)</dd>", part)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pbx", "the PBX"),
        ("pbx for 25, voicemail 101", "the PBX for 25 s, voice mail 101"),
        ("group 101 102, number +442079460200, department front, account sales, busy",
         "extensions 101 102, +442079460200, department front, account sales, busy tone"),
        ("office: extension 101\nelse: voicemail 101", "office: extension 101; otherwise: voice mail 101"),
        ("office: pbx\nelse: busy\nwithin 60", "office: the PBX; otherwise: busy tone; 60 s at most"),
        ("not a route", "not a route"),
    ],
)  # fmt: skip
def test_a_route_is_said_in_words(text: str, words: str) -> None:
    """In tables, where its text is for programs."""
    assert route_words(text) == words


async def test_a_route_is_rows_of_what_there_is(client: Client, town: Town) -> None:
    """Departments, accounts and mailboxes by name; as they are kept, in the order that was typed."""
    await welcomed(client, "owner@example.com")
    text = await get(client, NUMBER)
    for words in ("department front", "account sales", "voice mail of Reception (101)", "an extension of the PBX"):
        assert f">{words}</option>" in text
    assert '<option value="front">front</option>' in text
    rows = {
        **row(0, "voicemail 101"),
        **row(1, "extension", "front", "101", "20", order="1"),
        **row(2, "group", "front", " 102  103 ", order="2"),
        **row(3, ""),
    }
    status, _ = await send(client, NUMBER, within="90", **rows)
    assert status == 200
    kept = "front: extension 101 for 20, group 102 103\nelse: voicemail 101\nwithin 90"
    assert numbers.show("+442079460100").route == kept
    text = await get(client, NUMBER)
    assert text.count("<tr>") == 1 + 3 + 3
    assert '<option value="front" selected>' in text
    assert 'name="seconds_0" value="20"' in text
    assert kept in (await get(client, f"{NUMBER}?view=text"))
    assert '<textarea id="route"' in await get(client, f"{NUMBER}?view=text")
    status, _ = await send(client, f"{NUMBER}?view=text", route="extension 104", new_times="daily 00:00-24:00")
    assert status == 422
    status, _ = await send(client, f"{NUMBER}?view=text", route="extension 104")
    assert (status, numbers.show("+442079460100").route) == (200, "extension 104")


async def test_a_path_is_shown_before_a_route_is_saved(client: Client, town: Town) -> None:
    """Now, or at any time; nothing is changed by it, and no mailbox made."""
    await welcomed(client, "owner@example.com")
    before = numbers.show("+442079460100").route
    rows = {**row(0, "extension", "front", "101", "20"), **row(1, "voicemail *new")}
    status, text = await send(client, NUMBER, look="1", path_at="2026-11-30T10:00", **rows)
    assert status == 200
    assert path(text) == [
        "A call at: 30 Nov 2026, 10:00",
        "1. rings: 101, for 20 s (front)",
    ]
    assert 'name="which_0" value="101"' in text
    status, text = await send(client, NUMBER, look="1", path_at="2026-11-29T10:00", **rows)
    assert path(text)[1] == "1. voice mail takes it: 2079460100"
    status, text = await send(client, NUMBER, look="1", path_at="never", **rows)
    assert status == 422
    assert numbers.show("+442079460100").route == before
    assert [box.box for box in mailboxes.listed("Acme")] == ["101"]


async def test_a_mailbox_and_hours_are_made_with_a_route(client: Client, town: Town) -> None:
    """All of it or none."""
    await welcomed(client, "owner@example.com")
    rows = {**row(0, "extension", "*new", "101"), **row(1, "voicemail *new")}
    for name, times, words in (
        ("", "", "Give the new hours a name"),
        ("front", "daily 00:00-24:00", "There are hours &#39;front&#39; already"),
        ("late", "never", "never"),
        ("Late!", "daily 00:00-24:00", "A name for hours must have"),
    ):
        status, text = await send(client, NUMBER, new_hours=name, new_times=times, **rows)
        assert status == 422, name
        assert words in text
    assert [box.box for box in mailboxes.listed("Acme")] == ["101"]
    await send(client, NUMBER, new_hours="late", new_times="daily 18:00-22:00", **rows)
    assert numbers.show("+442079460100").route == "late: extension 101\nelse: voicemail 2079460100"
    assert [each.text for each in routes.named("hours", "Acme") if each.name == "late"] == ["daily 18:00-22:00"]


async def test_a_look_says_that_routes_would_form_a_loop(client: Client, town: Town) -> None:
    """Before they are saved, where nothing else is made with them."""
    await welcomed(client, "owner@example.com")
    routes.set_department("back", "number +442079460100", "Acme")
    status, text = await send(client, NUMBER, look="1", **row(0, "department back"))
    assert status == 200
    assert "Note: The routes form a loop: " in "\n".join(path(text))
    status, text = await send(client, NUMBER, look="1", **row(0, "department front"))
    assert "loop" not in "\n".join(path(text))


async def test_accounts_and_departments_have_mailboxes_made_too(client: Client, town: Town) -> None:
    """Each a new one, named by them, with the first number that is free; none by a look, or a name that cannot be."""
    await welcomed(client, "owner@example.com")
    mailboxes.create("1001", "Desk", "", NOW, "Acme")
    await send(client, "/accounts/sales/route", look="1", **row(0, "voicemail *new"))
    await send(client, "/departments/set", name="no name", **row(0, "voicemail *new"))
    assert [box.box for box in mailboxes.listed("Acme")] == ["1001", "101"]
    await send(client, "/accounts/sales/route", **row(0, "pbx", "", "", "20"), **row(1, "voicemail *new"))
    assert routes.show_account("sales").route == "pbx for 20, voicemail 1002"
    await send(client, "/departments/set", name="desk", **row(0, "voicemail *new"))
    await send(client, "/departments/front/change", **row(0, "voicemail *new"))
    found = {each.name: each.text for each in routes.named("department", "Acme")}
    assert (found["desk"], found["front"]) == ("voicemail 1003", "voicemail 1004")
    assert {box.box: box.name for box in mailboxes.listed("Acme")} == {
        "101": "Reception", "1001": "Desk", "1002": "sales", "1003": "desk", "1004": "front",
    }  # fmt: skip


async def test_what_is_not_there_is_refused_and_stays_chosen(client: Client, town: Town) -> None:
    """An account that is gone since the form was asked for: the row does not become another one by itself."""
    await welcomed(client, "owner@example.com")
    status, text = await send(client, NUMBER, **row(0, "account gone"), **row(1, "voicemail 101"))
    assert status == 422
    assert "there is no account &#39;gone&#39;" in text
    assert '<option value="account gone" selected>' in text


async def test_a_look_hides_no_change_of_another(client: Client, town: Town) -> None:
    """Who looked at the path before saving is told of it as who did not; sent again it is saved all the same."""
    await welcomed(client, "owner@example.com")
    first = hidden(await get(client, NUMBER))
    routes.set_route("+442079460100", "extension 999")
    rows = row(0, "extension", "", "101")
    looked = await (await client.post(NUMBER, data={**first, **rows, "look": "1"})).text()
    wrong = await (await client.post(NUMBER, data={**hidden(looked), **row(0, "extension")})).text()
    assert "Type which extension" in wrong
    answer = await client.post(NUMBER, data={**hidden(wrong), **rows})
    text = await answer.text()
    assert answer.status == 422
    assert "Somebody has changed this in the meantime" in text
    assert numbers.show("+442079460100").route == "extension 999"
    assert (await client.post(NUMBER, data={**hidden(text), **rows})).status == 200
    assert numbers.show("+442079460100").route == "extension 101"


async def test_a_look_takes_what_saving_takes(client: Client, town: Town) -> None:
    """A route that was broken already, by a number that lapsed, can be changed elsewhere, and its path be looked at."""
    await welcomed(client, "owner@example.com")
    numbers.import_stock("number,monthly_fee,country,currency\n+442079460110,2,GB,GBP\n", NOW)
    numbers.buy("+442079460110", 1, NOW, profile=town.things["profile"])
    routes.set_route("+442079460100", "number +442079460110 for 20, busy")
    with writing():
        run("UPDATE number SET released_at = ?, profile_id = NULL WHERE e164 = '+442079460110'", NOW)
    broken = {**row(0, "number", "", "+442079460110", "30"), **row(1, "busy")}
    status, text = await send(client, NUMBER, look="1", **broken)
    assert status == 200
    assert "+442079460110 no longer belongs to the company" in text
    status, _ = await send(client, NUMBER, look="1", **row(0, "account gone"), **row(1, "busy"))
    assert status == 422


async def test_hours_that_are_gone_stay_in_their_row(client: Client, town: Town) -> None:
    """The row does not come to ring at all times by itself."""
    await welcomed(client, "owner@example.com")
    rows = {**row(0, "extension", "late", "101"), **row(1, "busy")}
    status, text = await send(client, NUMBER, **rows)
    assert status == 422
    assert '<option value="late" selected>late</option>' in text


async def test_a_long_route_is_not_lost_on_an_error(client: Client, town: Town) -> None:
    """All rows are shown again, as they were sent."""
    await welcomed(client, "owner@example.com")
    routes.set_route("+442079460100", ", ".join(f"extension 1{n:02d} for 1" for n in range(20)))
    rows = {name: value for n in range(33) for name, value in row(n, "extension", "", f"{n:03d}", "1").items()}
    status, text = await send(client, NUMBER, **{**rows, "which_7": ""})
    assert status == 422
    assert all(f'value="{n:03d}"' in text for n in range(33) if n != 7)
    assert '<textarea id="route"' not in text


async def test_what_a_row_does_not_need_is_not_looked_at(client: Client, town: Town) -> None:
    """It is not to be seen there; an extension may have a name that is a word of ours."""
    await welcomed(client, "owner@example.com")
    await send(client, NUMBER, **row(0, "voicemail 101", "", "102, 103", "later"))
    assert numbers.show("+442079460100").route == "voicemail 101"
    client.session.cookie_jar.update_cookies({"connector_language": "de"})
    _, text = await send(client, NUMBER, look="1", **row(0, "extension", "", "new"))
    assert path(text)[1] == "1. klingelt: new, 25 s lang"


async def test_rows_take_no_other_steps(client: Client, town: Town) -> None:
    """What stands in a field of a row is that field's: no other line, no markup."""
    await welcomed(client, "owner@example.com")
    before = numbers.show("+442079460100").route
    for field in ("which", "seconds", "order", "what", "hours"):
        for value in ("101; else: busy", "<script>", "x" * 500, "\x00", "-1", "9" * 30):
            rows = {**row(0, "extension", "", "101"), f"{field}_0": value}
            form = hidden(await get(client, NUMBER))
            answer = await client.post(NUMBER, data={**form, **rows})
            text = await answer.text()
            kept = numbers.show("+442079460100").route
            taken = TAKEN.get((field, value), before)
            status = 400 if value == "\x00" else 200 if taken != before else 422
            assert (answer.status, kept) == (status, taken), (field, value)
            assert "<script>" not in text
            routes.set_route("+442079460100", "")
    many = {name: value for n in range(30) for name, value in row(n, "extension", f"{n:03d}", str(n), "1").items()}
    status, text = await send(client, NUMBER, **many)
    assert status == 422  # there are no such hours; so many rows are read
    assert text.count("<tr>") == 1 + 30 + 3


async def test_a_department_is_rows_too(client: Client, town: Town) -> None:
    """A new one, and one that is changed; nobody can call it, so no path is shown."""
    await welcomed(client, "owner@example.com")
    text = await get(client, "/departments/set")
    assert "Show the path" not in text
    status, _ = await send(client, "/departments/set", name="desk", **row(0, "extension", "", "105"))
    assert status == 200
    text = await get(client, "/departments/desk/change")
    assert 'value="105"' in text
    await send(client, "/departments/desk/change", **row(0, "extension", "", "106"))
    assert [each.text for each in routes.named("department", "Acme") if each.name == "desk"] == ["extension 106"]
