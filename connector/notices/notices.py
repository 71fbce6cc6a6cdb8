"""What the people of a company have to be told: each thing once, on the pages, by webhooks, and by mail to whom it
concerns (core/alerts.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connector.core.access import Scope
from connector.core.alerts import KINDS
from connector.core.paging import Page, Turn, page
from connector.database.models import Company, Delivery, Notice
from connector.database.store import insert, reading, rows


@dataclass(frozen=True)
class NoticeView:
    """Something that was told."""

    id: int
    company: str
    kind: str
    text: str
    at: int


def tell(company: int, profile: int | None, kind: str, key: str, text: str, at: int) -> bool:
    """Note something, in the caller's transaction, and have it sent; False if the same `key` was told before."""
    if Notice.select().where(Notice.key == key).exists():
        return False
    notice = put(company, profile, kind, key, text, at)
    roles = KINDS[kind][1]
    marks = ", ".join("?" * len(roles))
    # Where there is one company, its people are the house's: nobody else would hear of it.
    mailed = (
        f"SELECT email FROM users WHERE disabled_at IS NULL AND password <> '' AND role IN ({marks})"
        " AND (company_id = ? OR (company_id IS NULL AND (SELECT COUNT(*) FROM company) = 1))"
    )
    for (address,) in rows(f"{mailed} ORDER BY id", *roles, company):
        insert(Delivery, notice_id=notice, address=address, next_at=at)
    for (webhook,) in rows("SELECT id FROM webhook WHERE company_id = ? AND notices = 1 ORDER BY id", company):
        insert(Delivery, notice_id=notice, webhook_id=webhook, next_at=at)
    return True


def put(company: int, profile: int | None, kind: str, key: str, text: str, at: int) -> int:
    """Note something for the pages only, in the caller's transaction; its id."""
    made: Any = Notice.create(company=company, profile=profile, kind=kind, key=key, text=text, at=at)
    return int(made.id)


def count() -> int:
    """How many notices there are."""
    with reading():
        return int(Notice.select().count())


def page_of(scope: Scope, wanted: Turn) -> Page[NoticeView]:
    """What a company's people were told, newest first."""
    with reading():
        found = Notice.select(Notice, Company).join(Company).order_by(Notice.id.desc()).limit(wanted.limit + 1)
        if scope.company is not None:
            found = found.where(Notice.company == scope.company)
        if scope.profile is not None:
            found = found.where(Notice.profile == scope.profile)
        if wanted.after is not None:
            found = found.where(Notice.id < wanted.after[0])
        views = [NoticeView(row.id, row.company.name, row.kind, row.text, row.at) for row in found]
        return page(views, wanted, lambda view: (view.id,))


def newest(limit: int, company: str | None = None) -> list[NoticeView]:
    """The newest `limit` notices, newest first."""
    with reading():
        rows = Notice.select(Notice, Company).join(Company)
        if company is not None:
            rows = rows.where(Company.name == company)
        ordered = rows.order_by(Notice.id.desc()).limit(limit)
        return [NoticeView(row.id, row.company.name, row.kind, row.text, row.at) for row in ordered]
