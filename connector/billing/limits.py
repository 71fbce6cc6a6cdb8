"""What a profile may dial and spend, as its company has set it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from connector.billing import holds
from connector.core.admission import UsualLimits
from connector.core.money import MICROS, minor_digits
from connector.core.retired import is_retired_prefix
from connector.database.audit import audited
from connector.database.models import Company, Limits, PrefixRule
from connector.database.named import profile_row
from connector.database.store import insert, reading, run, writing
from connector.errors import BadInput

_PREFIX = re.compile(r"\+(?:[1-9][0-9]{0,14})?")
MOST_RULES = 1_000


@dataclass(frozen=True)
class LimitsView:
    """A profile's limits; money in micros, None is no limit. The longest prefix for a number decides."""

    profile: str
    currency: str
    price_per_minute_micros: int | None
    call_micros: int | None
    day_micros: int | None
    month_micros: int | None
    calls_per_second: int | None
    attempts_per_number: int | None
    uses_company_balance: bool
    allowed: list[str]
    blocked: list[str]


def count(text: str) -> int:
    """A number of calls, from 1 to a million; BadInput if it is something else."""
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= 1_000_000:
        raise BadInput("Invalid call count {given!r}. Use a number from 1 to 1000000, or none.", given=text[:40])
    return int(text)


@audited("limits.change")
def change(
    profile: str, changes: dict[str, int | bool | None], rules: Sequence[tuple[str, bool]], forget: Sequence[str]
) -> None:
    """Set limits by column, add rules (prefix, allowed), take rules away; all of it or nothing. BadInput."""
    for prefix in [*(prefix for prefix, _ in rules), *forget]:
        if not _PREFIX.fullmatch(prefix):
            raise BadInput(
                "Invalid prefix {prefix!r}. Use + and digits, or + alone for all numbers.", prefix=prefix[:40]
            )
    for prefix, _ in rules:
        if is_retired_prefix(prefix):
            raise BadInput("No number begins with {prefix} any more: its country's plan has retired it.", prefix=prefix)
    with writing():
        row = profile_row(profile)
        before = vars(holds.limits_of(row.id))
        run("DELETE FROM limits WHERE profile_id = ?", row.id)
        insert(Limits, profile_id=row.id, **{**before, **changes})
        for prefix in [*(prefix for prefix, _ in rules), *forget]:
            run("DELETE FROM prefix_rule WHERE profile_id = ? AND prefix = ?", row.id, prefix)
        for prefix, allowed in dict(rules).items():
            insert(PrefixRule, profile_id=row.id, prefix=prefix, allowed=allowed)
        if PrefixRule.select().where(PrefixRule.profile == row).count() > MOST_RULES:
            raise BadInput("A profile can have {most_rules} rules at most.", most_rules=MOST_RULES)


def begin(profile: str, usual: UsualLimits) -> None:
    """Give a new profile its limits, in the transaction that makes it."""
    with writing():
        row = profile_row(profile)
        scale = 100 if minor_digits(row.company.currency) == 0 else 1
        day = None if usual.day is None else usual.day * scale * MICROS
        before = vars(holds.limits_of(row.id))
        own = {"day_micros": day, "calls_per_second": usual.calls_per_second}
        insert(Limits, profile_id=row.id, **{**before, **own})


def show(profile: str) -> LimitsView:
    """A profile's limits."""
    with reading():
        row = profile_row(profile)
        found = PrefixRule.select(PrefixRule.prefix, PrefixRule.allowed).where(PrefixRule.profile == row)
        rules = list(cast("Iterable[tuple[str, bool]]", found.order_by(PrefixRule.prefix).tuples()))
        return LimitsView(
            profile=row.name,
            currency=Company.get_by_id(row.company_id).currency,
            **vars(holds.limits_of(row.id)),
            allowed=[prefix for prefix, allowed in rules if allowed],
            blocked=[prefix for prefix, allowed in rules if not allowed],
        )
