"""The filters of the history that users have saved for themselves, each by a name."""

from __future__ import annotations

from dataclasses import dataclass

from connector.database.models import SavedFilter
from connector.database.store import lock, reading, run, writing
from connector.errors import BadInput, NotFound

MOST_NAME = 40
MOST_QUERY = 4_000
MOST_FILTERS = 30


@dataclass(frozen=True)
class FilterView:
    """A saved filter. `query`: as it stands in an address, `refusal=no_credit&period=week`."""

    id: int
    name: str
    query: str


def save(user: int, name: str, query: str, now: int) -> FilterView:
    """Save a filter; one of the same name is replaced. BadInput for a name that is unfit, no filter, or too many."""
    wanted = " ".join(name.split())
    if not 1 <= len(wanted) <= MOST_NAME or not wanted.isprintable():
        raise BadInput("A filter's name has 1 to {most} printable characters.", most=MOST_NAME)
    if not query:
        raise BadInput("Choose something in the filter first.")
    if len(query) > MOST_QUERY:
        raise BadInput("This filter is too long to be saved.")
    with writing():
        lock("id = (SELECT company_id FROM users WHERE id = ?)", user)
        row = SavedFilter.get_or_none((SavedFilter.user == user) & (SavedFilter.name == wanted))
        if row is None:
            if SavedFilter.select().where(SavedFilter.user == user).count() >= MOST_FILTERS:
                raise BadInput("You have {most} filters already. Remove one first.", most=MOST_FILTERS)
            row = SavedFilter.create(user=user, name=wanted, query=query, created_at=now)
        else:
            run("UPDATE saved_filter SET query = ? WHERE id = ?", query, row.id)
        return FilterView(row.id, wanted, query)


def of_user(user: int) -> list[FilterView]:
    """A user's filters, by their names."""
    with reading():
        found = SavedFilter.select().where(SavedFilter.user == user).order_by(SavedFilter.name)
        return [FilterView(row.id, row.name, row.query) for row in found]


def remove(user: int, number: int) -> FilterView:
    """Remove one of a user's own. NotFound."""
    with writing():
        lock("id = (SELECT company_id FROM users WHERE id = ?)", user)
        row = SavedFilter.get_or_none((SavedFilter.user == user) & (SavedFilter.id == number))
        if row is None:
            raise NotFound("The filter {number} was not found.", number=number)
        run("DELETE FROM saved_filter WHERE id = ?", number)
        return FilterView(row.id, row.name, row.query)
