"""Call buttons: links by which a visitor's browser calls an account."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from connector.core import buttons as core
from connector.core.paging import Page, turn
from connector.core.plans import MOST_CHANNELS
from connector.routing import buttons
from connector.routing.buttons import USUAL_MOST, ButtonView
from connector.web.endpoint import Ask, Endpoints, Paged, Shape, Word

api = Endpoints("Call buttons")

Most = Annotated[int, Field(ge=1, le=MOST_CHANNELS)]


class NewButton(Shape):
    """Its name, which the PBX sees as the caller's; the account that it calls; how many visitors may call at once."""

    name: Word
    account: Word
    most: Most = USUAL_MOST


class ButtonChange(Shape):
    """How many visitors may call by it at once."""

    most: Most


class ButtonPlaced(Shape):
    """A call button; its link, and its HTML for web pages and e-mails."""

    button: ButtonView
    link: str
    html: str


@api.get("/buttons", "numbers.read")
def list_buttons(ask: Ask, query: Paged) -> Page[ButtonView]:
    """The call buttons, the oldest first."""
    return buttons.page_of(ask.scope, turn(query.cursor, query.limit, "i"))


@api.post("/buttons", "numbers.write", of_company=True, status=201)
def create_button(ask: Ask, body: NewButton) -> ButtonPlaced:
    """Make a call button."""
    ask.mine("account", body.account)
    return _placed(ask, buttons.create(body.name, body.account, body.most, ask.now, ask.company))


@api.get("/buttons/{button}", "numbers.read")
def show_button(ask: Ask) -> ButtonPlaced:
    """One call button, with its link and its HTML."""
    return _placed(ask, buttons.show(ask.number("button")))


@api.patch("/buttons/{button}", "numbers.write")
def change_button(ask: Ask, body: ButtonChange) -> ButtonView:
    """Let more or fewer visitors call at once."""
    return buttons.change(ask.number("button"), body.most)


@api.delete("/buttons/{button}", "numbers.write")
def remove_button(ask: Ask) -> ButtonView:
    """Take a call button away: its link leads nowhere then."""
    return buttons.remove(ask.number("button"))


def _placed(ask: Ask, view: ButtonView) -> ButtonPlaced:
    url = ask.place.url
    return ButtonPlaced(button=view, link=core.link(url, view.token), html=core.html(url, view.token, view.company))
