"""Voice mail on pages: the messages of a mailbox, who may hear them, and what Asterisk is asked for."""

from __future__ import annotations

import os
import re
import shutil

from connector.billing import numbers
from connector.database.store import rows, writing
from connector.routing import mailboxes, routes
from tests.conftest import NOW
from tests.web.browsing import Client, confirmed, get, send, welcomed
from tests.web.conftest import MESSAGE, Town, bearer, leave_message

LIST = "/mailboxes/101/messages"


async def test_messages_are_heard_on_pages(client: Client, town: Town) -> None:
    """Those that nobody has heard are counted and marked; the sound is a file that a browser plays."""
    home = town.spool / "connector-1" / "101"
    leave_message(home / "Old", 0, "1795000000-00000009", "<script>alert(1)</script>")
    await welcomed(client, "owner@example.com")
    assert f'<a href="{LIST}">1 new, 2 in all</a>' in await get(client, "/numbers")
    text = await get(client, LIST)
    assert text.count('<span class="tag good">new</span>') == 1
    assert "Jo, +447700900123" in text
    assert "1:12" in text
    assert "<script>alert" not in text
    for path in re.findall(r'<audio [^>]*src="([^"]+)"', text):
        answer = await client.get(path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "audio/wav")
        assert await answer.read() == b"RIFF the sound"
    answer = await client.get(f"{LIST}/{MESSAGE}/sound", headers={"Range": "bytes=0-3"})
    assert (answer.status, await answer.read()) == (206, b"RIFF")


async def test_asterisk_is_asked_for_what_is_done_to_a_message(client: Client, town: Town) -> None:
    """It keeps the numbers of messages in order, and the lamps of telephones; who deleted one is written down."""
    await welcomed(client, "operator@example.com")
    assert (await send(client, f"{LIST}/{MESSAGE}/heard"))[0] == 200
    text = await get(client, f"{LIST}/{MESSAGE}/remove")
    assert "From Jo, +447700900123" in text
    assert (await send(client, f"{LIST}/{MESSAGE}/remove"))[0] == 200
    message = ("connector-1", "101", "INBOX", MESSAGE)
    assert town.told_asterisk == [("heard", *message), ("removed", *message)]
    assert rows("SELECT COUNT(*) FROM audit WHERE action = 'message.remove'")[0][0] == 1


async def test_a_message_stays_where_asterisk_is_away(client: Client, town: Town) -> None:
    """The page says that it is not confirmed, and what to do."""
    await welcomed(client, "owner@example.com")
    town.asterisk_away = True
    status, text = await send(client, f"{LIST}/{MESSAGE}/remove")
    assert status == 422
    assert "Asterisk has not confirmed it" in text
    assert "The message is deleted" not in text
    noted = rows("SELECT action FROM audit WHERE action LIKE 'message.%'")
    assert noted == [("message.remove-unconfirmed",)]


async def test_a_message_that_is_gone_is_not_found(client: Client, town: Town) -> None:
    """One that was deleted by telephone meanwhile, one whose sound is gone, and names that nobody gave."""
    await welcomed(client, "owner@example.com")
    for wrong in ("1795000000-00000002", "..%2F..%2Fx", "x" * 300):
        for what in ("sound", "heard", "remove"):
            await get(client, f"{LIST}/{wrong}/{what}", 404)
    leave_message(town.spool / "connector-1" / "101" / "INBOX", 1, "../../x")  # an id that Asterisk gives to none
    assert "/../" not in await get(client, LIST)
    sound = town.spool / "connector-1" / "101" / "INBOX" / "msg0000.wav"
    sound.unlink()
    await get(client, f"{LIST}/{MESSAGE}/sound", 404)
    sound.symlink_to(__file__)
    await get(client, f"{LIST}/{MESSAGE}/sound", 404)


async def test_strange_messages_harm_no_others(client: Client, town: Town) -> None:
    """Figures that Asterisk never writes, a link, a pipe, another folder in the place of this one."""
    inbox = town.spool / "connector-1" / "101" / "INBOX"
    strange = (("²", "²"), ("9" * 5_000, "1"), ("99999999999999", "9" * 11), ("", ""))
    for number, (seconds, length) in enumerate(strange, 1):
        leave_message(inbox, number, f"1795000000-0000001{number}")
        known = f"[message]\norigtime={seconds}\nduration={length}\n"
        (inbox / f"msg{number:04d}.txt").write_text(known)
    (inbox / "msg0005.txt").symlink_to("/nowhere")
    os.mkfifo(inbox / "msg0006.txt")
    leave_message(inbox, 7, "1795000000-00000017", "Unknown")
    await welcomed(client, "owner@example.com")
    assert "8 new, 8 in all" in await get(client, "/numbers")
    text = await get(client, LIST)
    assert "a withheld number" in text
    assert "1795000000-00000017/sound" in text
    (inbox / "msg0007.wav").rename(inbox / "msg0007.ulaw")
    assert text.count("<audio") - (await get(client, LIST)).count("<audio") == 1
    await get(client, f"{LIST}/1795000000-00000017/sound")
    theirs = town.spool / "connector-2" / "201" / "INBOX"
    leave_message(theirs, 0, "1795000000-00000099")
    shutil.rmtree(inbox)
    inbox.symlink_to(theirs)
    assert "not known" in await get(client, "/numbers")
    await get(client, f"{LIST}/1795000000-00000099/sound", 409)


async def test_messages_that_cannot_be_read_are_not_known(client: Client, town: Town) -> None:
    """A folder that is none: neither "none" nor a defect."""
    inbox = town.spool / "connector-1" / "101" / "INBOX"
    for path in inbox.iterdir():
        path.unlink()
    inbox.rmdir()
    inbox.write_text("")
    await welcomed(client, "owner@example.com")
    assert "not known" in await get(client, "/numbers")
    assert "the messages cannot be read" in await get(client, LIST)


async def test_viewers_hear_no_messages(client: Client, town: Town) -> None:
    """They see that there are some; what was said is for those who may hear it."""
    await welcomed(client, "viewer@example.com")
    text = await get(client, "/numbers")
    assert "1 new, 1 in all" in text
    assert LIST not in text
    await get(client, LIST, 403)
    await get(client, f"{LIST}/{MESSAGE}/sound", 403)


async def test_a_mailbox_made_anew_has_no_messages_of_before(client: Client, town: Town) -> None:
    """Made on a page, or by the API: what lay there is put aside."""
    await welcomed(client, "owner@example.com")
    with writing():
        mailboxes.remove("101", "Acme")
    status, text = await send(client, "/mailboxes/new", box="101", name="Jo", email="")
    assert status == 200
    assert re.search(r"<code[^>]*>[0-9]{6}</code>", text)
    assert "No message" in await get(client, LIST)
    assert (town.spool / "connector-1" / f"101-before-{NOW}" / "INBOX" / "msg0000.wav").exists()
    leave_message(town.spool / "connector-1" / "102" / "INBOX", 0, MESSAGE)
    answer = await client.post("/api/v1/mailboxes/102", json={"name": "Al"}, headers=bearer(town.tokens["owner"]))
    assert answer.status == 201
    assert not (town.spool / "connector-1" / "102").exists()


async def test_a_forgotten_pin_is_made_anew(client: Client, town: Town) -> None:
    """The new one is shown once, kept sealed, and one that was set by telephone holds no more."""
    await welcomed(client, "owner@example.com")
    secret = town.spool / "connector-1" / "101" / "secret.conf"
    secret.write_text("[general]\npassword=4711\n")
    before = mailboxes.kept()[0].pin
    status, text = await send(client, "/mailboxes/101/pin")
    assert status == 200
    pin = mailboxes.kept()[0].pin
    assert pin != before
    assert pin in text
    assert not secret.exists()
    secret.mkdir()
    status, text = await send(client, "/mailboxes/101/pin")
    assert status == 422
    assert "it stays" in text
    assert mailboxes.kept()[0].pin == pin


async def test_voice_mail_is_a_tick_where_numbers_are_bought(client: Client, town: Town) -> None:
    """A mailbox with the number's digits, that its route leads to; not for who may not say where numbers ring."""
    sheet = "number,monthly_fee,country,currency\n+442079460110,2,GB,GBP\n+442079460111,2,GB,GBP\n"
    numbers.import_stock(sheet, NOW)
    await welcomed(client, "owner@example.com")
    fields = {"profile": town.things["profile"], "periods": "1", "email": "desk@example.com"}
    asked, said = await confirmed(client, "/stock/buy", numbers="+442079460110", voice_mail="true", **fields)
    assert "after 25 s without an answer" in asked
    assert "1 number was bought" in said
    assert numbers.show("+442079460110").route == "pbx for 25, voicemail 2079460110"
    assert mailboxes.show("2079460110", "Acme").email == "desk@example.com"
    client.session.cookie_jar.clear()
    await welcomed(client, "finance@example.com")
    assert "voice_mail" not in await get(client, "/stock/buy")
    await confirmed(client, "/stock/buy", numbers="+442079460111", voice_mail="true", **fields)
    assert numbers.show("+442079460111").route == "pbx"


async def test_numbers_that_end_alike_have_mailboxes_of_their_own(client: Client, town: Town) -> None:
    """And one that is bought again has its own again, with the e-mail that was typed last."""
    sheet = "number,monthly_fee,country,currency\n+442079460110,2,GB,GBP\n+12079460110,2,US,GBP\n"
    numbers.import_stock(sheet, NOW)
    await welcomed(client, "owner@example.com")
    both = "+442079460110\n+1 207 946 0110"
    await confirmed(client, "/stock/buy", numbers=both, voice_mail="true", email="desk@example.com", periods="1")
    assert numbers.show("+442079460110").route == "pbx for 25, voicemail 2079460110"
    assert numbers.show("+12079460110").route == "pbx for 25, voicemail 079460110"
    routes.set_route("+442079460110", "")
    numbers.release("+442079460110", NOW, at_once=True)
    again = {"numbers": "+442079460110", "voice_mail": "true", "periods": "1"}
    await confirmed(client, "/stock/buy", **again, email="new@example.com")
    assert mailboxes.show("2079460110", "Acme").email == "new@example.com"
    status, text = await send(client, "/stock/buy", **{**again, "numbers": "+12125550100", "email": "none"})
    assert status == 422
    assert "Invalid e-mail address" in text
    routes.set_route("+442079460110", "")
    numbers.release("+442079460110", NOW, at_once=True)
    status, text = await send(client, "/stock/buy", **again, email="newest@example.com")
    assert "<dt>Mailbox 2079460110</dt><dd>is there already; messages are sent to newest@example.com</dd>" in text
    assert mailboxes.show("2079460110", "Acme").email == "new@example.com"
