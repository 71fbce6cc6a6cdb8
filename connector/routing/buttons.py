"""Call buttons: links by which whoever has one calls an account from a browser (docs/decisions/0024).

The calls themselves are billing/calls.py's, like all others.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from connector.core import buttons as core
from connector.core.access import Scope
from connector.core.calls import Ending
from connector.core.paging import Page, Turn, page
from connector.database import audit
from connector.database.audit import audited
from connector.database.models import Button, InboundAccount
from connector.database.named import company_row, open_profile_row
from connector.database.store import fitting, lock, reading, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.routing import routes

USUAL_MOST = 2
MOST_OF_ONE = 1000
_VIEW = (
    "SELECT b.id, b.name, a.name, c.name, p.name, b.most, b.token, b.created_at FROM button b"
    " JOIN inbound_account a ON a.id = b.account_id JOIN company c ON c.id = b.company_id"
    " LEFT JOIN profile p ON p.id = a.profile_id WHERE 1 = 1"
)


@dataclass(frozen=True)
class ButtonView:
    """A call button. `profile`: where its account is attached; None: nowhere, so that nobody can call. `most`: so many
    visitors call by it at once. `token`: what its link ends with.
    """

    id: int
    name: str
    account: str
    company: str
    profile: str | None
    most: int
    token: str
    created_at: int


@dataclass(frozen=True)
class Pushed:
    """How a call by a button goes: `state` is waiting (nothing is known yet), ringing, talking or over.

    `answered`: somebody talked; if not, `ending` and `refusal` say why, as in a CDR.
    """

    state: str
    answered: bool = False
    ending: str = ""
    refusal: str | None = None


@audited("button.create")
def create(name: str, account: str, most: int, now: int, company: str | None = None) -> ButtonView:
    """Make a call button for an account. BadInput if the name is unfit or taken, or `most` is; NotFound."""
    wanted, most = core.checked_name(name), core.checked_most(most)
    with writing():
        owner = company_row(company)
        row = InboundAccount.get_or_none((InboundAccount.name == account) & (InboundAccount.company == owner))
        if row is None:
            raise NotFound("there is no account {account!r}", account=account[:40])
        if Button.get_or_none((Button.company == owner) & (Button.name == wanted)):
            raise BadInput("A call button {wanted!r} already exists.", wanted=wanted)
        if Button.select().where(Button.company == owner).count() >= MOST_OF_ONE:
            raise BadInput("A company can have {most_of_one} call buttons at most.", most_of_one=MOST_OF_ONE)
        token = secrets.token_urlsafe(16)
        made = Button.create(company=owner, account=row, name=wanted, token=token, most=most, created_at=now)
        return _view(made.id)


def of_test(profile: str, now: int) -> ButtonView:
    """The call button by which a browser rings a profile's PBX, and its account; made if they are not there. NotFound;
    BadInput if the account's name is somebody's already, or there are too many.
    """
    with writing():
        row = open_profile_row(profile)
        company, account, name = row.company.name, f"{core.TEST}-{row.username}", f"{core.TEST} {row.username}"
        found = InboundAccount.get_or_none(InboundAccount.name == account)
        if found is None:
            routes.create_account(account, row.username, "", now, company)
        elif found.company_id != row.company_id or found.profile_id not in (None, row.id):
            raise BadInput("The account {account} is used for something else. Rename or remove it.", account=account)
        elif found.profile_id is None:
            routes.attach_account(account, row.username)
        there = Button.get_or_none((Button.company == row.company) & (Button.name == name))
        if there is None:
            create(name, account, 1, now, company)
        elif there.account.name != account:
            raise BadInput("The call button {name} is used for something else. Remove it.", name=name)
        return named(name, company)


def change(button: int, most: int) -> ButtonView:
    """Let so many visitors call by it at once. BadInput, NotFound."""
    with writing():
        view = _locked(button)
        run("UPDATE button SET most = ? WHERE id = ?", core.checked_most(most), button)
        audit.note("button.change", view.name, f"{most} at once")
        return _view(button)


def remove(button: int) -> ButtonView:
    """Its link leads nowhere from now on; who talks, talks on. NotFound."""
    with writing():
        view = _locked(button)
        run("DELETE FROM button WHERE id = ?", button)
        audit.note("button.remove", view.name, f"it called {view.account}")
        return view


def show(button: int) -> ButtonView:
    """One call button; NotFound."""
    with reading():
        return _view(button)


def page_of(scope: Scope, wanted: Turn) -> Page[ButtonView]:
    """The call buttons that somebody sees, the oldest first."""
    sql, values = fitting(
        _VIEW,
        ("b.company_id = ?", scope.company),
        ("a.profile_id = ?", scope.profile),
        ("b.id > ?", wanted.after and wanted.after[0]),
    )
    with reading():
        found = rows(f"{sql} ORDER BY b.id LIMIT ?", *values, wanted.limit + 1)
        return page([ButtonView(*row) for row in found], wanted, lambda view: (view.id,))


def named(name: str, company: str | None = None) -> ButtonView:
    """A company's call button by its name; NotFound."""
    with reading():
        owner = company_row(company)
        found = rows(f"{_VIEW} AND b.company_id = ? AND b.name = ?", owner.id, name)
        if not found:
            raise NotFound("there is no call button {name!r}", name=name[:40])
        return ButtonView(*found[0])


def by_token(token: str) -> ButtonView:
    """The call button that a link is of; NotFound, for whoever tries."""
    with reading():
        found = rows(f"{_VIEW} AND b.token = ?", token)
        if not found:
            raise NotFound("This link does not work. It was removed or is incomplete.")
        return ButtonView(*found[0])


def pushed(call_id: str) -> Pushed:
    """How the call of somebody who pushed a button goes."""
    with reading():
        for answered_at, other_leg in rows("SELECT answered_at, other_leg FROM call WHERE id = ?", call_id):
            if answered_at is not None:
                return Pushed("talking", answered=True)
            return Pushed("ringing" if other_leg else "waiting")
        past = rows("SELECT answered_at, ending, refusal FROM cdr WHERE id = ?", call_id)
        if not past:
            return Pushed("waiting")
        answered_at, ending, refusal = past[0]
        return Pushed("over", answered_at is not None, Ending(ending).value, refusal)


def _locked(button: int) -> ButtonView:
    lock("id = (SELECT company_id FROM button WHERE id = ?)", button)
    return _view(button)


def _view(button: Any) -> ButtonView:
    found = rows(f"{_VIEW} AND b.id = ?", button)
    if not found:
        raise NotFound("there is no call button {button}", button=button)
    return ButtonView(*found[0])
