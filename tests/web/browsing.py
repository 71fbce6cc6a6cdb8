"""A browser without script, for tests of the pages: it signs in, reads forms and sends them back filled in."""

from __future__ import annotations

import html
import re
from typing import Any

from aiohttp import FormData
from aiohttp.test_utils import TestClient

from connector.people import users
from tests.conftest import NOW

Client = TestClient[Any, Any]
PASSWORD = "correct horse battery"


async def welcomed(client: Client, email: str, now: int = NOW) -> None:
    """Somebody signs in by a link, and chooses a password."""
    secret = users.link(users.by_email(email).id, now)
    answer = await client.post("/welcome", data={"link": secret})
    text = await answer.text()
    answer = await client.post("/welcome/password", data={"csrf": csrf(text), "password": PASSWORD, "again": PASSWORD})
    assert answer.url.path == "/" or "/companies" in str(answer.url), await answer.text()


def csrf(text: str) -> str:
    """The secret that a form holds."""
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found, text
    return found.group(1)


def hidden(text: str) -> dict[str, str]:
    """What the form of a page holds besides its fields."""
    main = text[text.index('<main id="main">') :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', main)
    return {name: html.unescape(value) for name, value in found}


async def get(client: Client, path: str, status: int = 200) -> str:
    """A page's text; redirects are not followed."""
    answer = await client.get(path, allow_redirects=False)
    text = (await answer.read()).decode(errors="replace")  # a page, or a file
    assert answer.status == status, (path, answer.status, text[:2000])
    return str(answer.headers.get("Location", "")) if status == 303 else text


async def send(client: Client, path: str, **fields: str) -> tuple[int, str]:
    """A form, filled in as it came; the status and the text of what follows."""
    text = await get(client, path)
    answer = await client.post(path, data={**hidden(text), **fields})
    return answer.status, await answer.text()


async def confirmed(client: Client, path: str, **fields: str) -> tuple[str, str]:
    """A form that asks back, and is confirmed; what it asked, and what was said then."""
    status, asked = await send(client, path, **fields)
    assert status == 200, asked
    assert hidden(asked)["key"]
    answer = await client.post(path, data=hidden(asked))
    assert answer.status == 200, await answer.text()
    return asked, await answer.text()


async def chosen(client: Client, company: str = "1") -> None:
    """Who sees several companies looks at one."""
    await client.post("/companies", data={"csrf": csrf(await get(client, "/companies")), "company": company})


async def sent_file(client: Client, path: str, content: bytes | str, **fields: str) -> tuple[int, str]:
    """A form with a file, as a browser sends it; the status and the text of what follows."""
    form = FormData({**hidden(await get(client, path)), **fields})
    form.add_field("file", content, filename="list.csv", content_type="text/csv")
    answer = await client.post(path, data=form)
    return answer.status, await answer.text()


async def file_confirmed(client: Client, path: str, asked: str) -> str:
    """The confirmation of such a form, sent as a browser sends it; the text of what follows."""
    found = re.search(r'<textarea name="file" hidden>\n(.*?)</textarea>', asked, re.DOTALL)
    assert found, asked
    form = FormData(hidden(asked), default_to_multipart=True)
    form.add_field("file", html.unescape(found.group(1)).replace("\n", "\r\n"))
    return await (await client.post(path, data=form)).text()
