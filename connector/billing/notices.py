"""What the people of a company have to be told: each thing once."""

from __future__ import annotations

from dataclasses import dataclass

from connector.billing.models import Company, Notice
from connector.billing.store import reading


@dataclass(frozen=True)
class NoticeView:
    """Something that was told."""

    company: str
    kind: str
    text: str
    at: int


def tell(company: int, profile: int | None, kind: str, key: str, text: str, at: int) -> bool:
    """Note something, in the caller's transaction; False if the same `key` was told before."""
    if Notice.select().where(Notice.key == key).exists():
        return False
    Notice.create(company=company, profile=profile, kind=kind, key=key, text=text, at=at)
    return True


def count() -> int:
    """How many notices there are."""
    with reading():
        return int(Notice.select().count())


def newest(limit: int, company: str | None = None) -> list[NoticeView]:
    """The newest `limit` notices, newest first."""
    with reading():
        rows = Notice.select(Notice, Company).join(Company)
        if company is not None:
            rows = rows.where(Company.name == company)
        ordered = rows.order_by(Notice.id.desc()).limit(limit)
        return [NoticeView(row.company.name, row.kind, row.text, row.at) for row in ordered]
