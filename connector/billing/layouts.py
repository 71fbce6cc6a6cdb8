"""What was answered about the layout of sheets, kept for each carrier of a company: it is not asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from connector.database.models import SheetLayout
from connector.database.store import rows, run

# A carrier that changes its columns every week has so many after a year; the oldest is forgotten then.
MOST_KEPT = 50


def kept(company: int, carrier: str) -> dict[str, dict[str, str]]:
    """The answers by the signature of the columns (core/layouts.py), in the caller's transaction."""
    sql = "SELECT signature, answers FROM sheet_layout WHERE company_id = ? AND carrier = ?"
    return {signature: dict(json.loads(text)) for signature, text in rows(sql, company, carrier)}


def keep(company: int, carrier: str, signature: str, answers: Mapping[str, str], now: int) -> None:
    """Keep the answers for sheets with these columns, in the caller's transaction."""
    run("DELETE FROM sheet_layout WHERE company_id = ? AND carrier = ? AND signature = ?", company, carrier, signature)
    SheetLayout.create(
        company=company, carrier=carrier, signature=signature, answers=json.dumps(dict(answers)), kept_at=now
    )
    run(
        "DELETE FROM sheet_layout WHERE company_id = ? AND carrier = ? AND id NOT IN"
        " (SELECT id FROM sheet_layout WHERE company_id = ? AND carrier = ? ORDER BY kept_at DESC, id DESC LIMIT ?)",
        company, carrier, company, carrier, MOST_KEPT,
    )  # fmt: skip
