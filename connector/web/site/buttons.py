"""Call buttons: made, shown with what goes on a web page, changed and taken away."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from connector.core import buttons as core
from connector.core.paging import every, turn
from connector.routing import buttons, routes
from connector.routing.buttons import USUAL_MOST
from connector.web.endpoint import Ask
from connector.web.site.frame import (
    Form,
    Line,
    Outcome,
    Quote,
    Shown,
    SitePages,
    allowed,
    entry,
    following,
    tables_page,
)
from connector.words import marked, tr

pages = SitePages()

ROWS = 50
MOST_HINT = marked("The number of visitors who can call at the same time. Further visitors hear that the line is busy.")
_INTRO = marked(
    "A call button is a link for your web site or your e-mails. Visitors who open it call one of "
    "your accounts from the browser, for free. For you it is an incoming call, which uses a "
    "channel."
)


@pages.get("/buttons", "numbers.read")
def button_list(ask: Ask) -> Shown:
    """Which there are."""
    found = buttons.page_of(ask.scope, turn(ask.query.get("cursor"), ROWS, "i"))
    rows: list[list[Any]] = [
        [[(view.name, f"/buttons/{view.id}")], view.account, view.profile or tr("nowhere"), str(view.most)]
        for view in found.items
    ]
    table = {
        "title": "",
        "heads": [tr("Name"), tr("Account"), tr("Profile"), tr("At once")],
        "rows": rows,
        "empty": tr("None yet."),
    }
    actions = allowed(ask, (tr("Make a call button"), "/buttons/new", "numbers.write"))
    return tables_page(tr("Call buttons"), [table], intro=[_INTRO], actions=actions, following=following(found))


@pages.form("/buttons/new", "numbers.write", "Make a call button", of_company=True, back="/buttons")
class NewButton(Form):
    """For an account."""

    button: ClassVar[str] = "Create"
    name: str = entry("Name", hint="Where the button will be placed. Your phones show this name as the caller.")
    account: str = entry("Account that it calls")
    most: int = entry("Visitors at once", USUAL_MOST, hint=MOST_HINT)

    @classmethod
    def choices(cls, ask: Ask) -> dict[str, list[Line]]:
        """The company's accounts."""
        found = every(lambda each: routes.account_page(ask.scope, each), "s")
        named = [
            (view.name, tr("{name}, at {profile}", name=view.name, profile=view.profile or tr("no profile")))
            for view in found
        ]
        return {"account": named or [("", tr("There is no account yet. Add one on the page of a profile."))]}

    def do(self, ask: Ask) -> Outcome:
        """Make it."""
        ask.mine("account", self.account)
        made = buttons.create(self.name, self.account, self.most, ask.now, ask.company)
        return Outcome(
            f"/buttons/{made.id}", tr("{name} was created; place its link where you want it", name=made.name)
        )


@pages.form("/profiles/{profile}/ring", "numbers.write", "Call the PBX from this browser", back="/profiles/{profile}")
class RingPbx(Form):
    """A call to the profile's PBX, with the sound of this browser."""

    button: ClassVar[str] = "Go on to the call"

    @classmethod
    def intro(cls, ask: Ask) -> str:
        """What happens, and what is made for it."""
        return tr(
            "The PBX rings as for an incoming call, and you talk through this browser. The"
            " call is free and uses one channel. An account and a call button are created for"
            " it once; you can remove both."
        )

    def do(self, ask: Ask) -> Outcome:
        """Make what it takes, and go there."""
        made = buttons.of_test(ask.path["profile"], ask.now)
        page = urlsplit(core.link(ask.place.url, made.token)).path
        return Outcome(f"{page}?back={ask.path['profile']}", tr("The test call is ready"))


@pages.get("/buttons/{button}", "numbers.read")
def button_page(ask: Ask) -> Shown:
    """One, with what is copied."""
    view = buttons.show(ask.number("button"))
    url = ask.place.url
    values = {"button": view, "link": core.link(url, view.token), "html": core.html(url, view.token, view.company)}
    return Shown("button.html", values)


@pages.form("/buttons/{button}/change", "numbers.write", "Change a call button", back="/buttons/{button}")
class ChangeButton(Form):
    """How many may call."""

    most: int = entry("Visitors at once", hint=MOST_HINT)

    @classmethod
    def initial(cls, ask: Ask) -> dict[str, Any]:
        """As it is."""
        return {"most": buttons.show(ask.number("button")).most}

    def do(self, ask: Ask) -> Outcome:
        """Change it."""
        view = buttons.change(ask.number("button"), self.most)
        return Outcome(
            f"/buttons/{view.id}", tr("{most} visitors may call by {name} at once", most=view.most, name=view.name)
        )


@pages.form("/buttons/{button}/remove", "numbers.write", "Remove a call button", back="/buttons/{button}")
class RemoveButton(Form):
    """Take it away."""

    danger: ClassVar[bool] = True
    button: ClassVar[str] = "Remove"
    warning: ClassVar[str] = "Its link will stop working wherever it is placed. Calls in progress continue."

    def quote(self, ask: Ask) -> Quote | None:
        """Which."""
        view = buttons.remove(ask.number("button"))
        return Quote([(tr("Name"), view.name), (tr("Account"), view.account)])

    def do(self, ask: Ask) -> Outcome:
        """Remove it."""
        return Outcome(
            "/buttons", tr("The call button {name} was removed", name=buttons.remove(ask.number("button")).name)
        )
