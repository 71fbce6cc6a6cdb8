"""Which caller ID a profile's calls show: the policy of core/callers.py, asked of the store.

Every function here is inside its caller's transaction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from connector.core import callers
from connector.core.callers import CallerPolicy, Shown
from connector.core.numbers import e164
from connector.core.refusals import Refusal
from connector.database.reference import rows

_OWN = (
    "SELECT e164 FROM number WHERE company_id = ? AND released_at IS NULL AND e164 IN (?, ?)"
    " UNION SELECT e164 FROM verified v WHERE company_id = ? AND e164 IN (?, ?) AND NOT EXISTS"
    " (SELECT 1 FROM number n WHERE n.e164 = v.e164 AND n.company_id <> v.company_id AND n.released_at IS NULL)"
)
_FIRST = "SELECT e164 FROM number WHERE profile_id = ? AND released_at IS NULL ORDER BY id LIMIT 1"


def policy(profile: Any) -> CallerPolicy:
    """A profile's policy, as it is kept: `number` is None where the first that it has is meant."""
    return CallerPolicy(
        profile.caller_policy,
        profile.caller_number,
        profile.caller_foreign,
        tuple(profile.withhold_prefixes.split()),
    )


def own(company: int, first: str, second: str = "") -> set[str]:
    """Which of one or two numbers a company has, or has verified."""
    return {found for (found,) in rows(_OWN, company, first, second, company, first, second)}


def main(profile: Any) -> str:
    """A profile's main number: the one that is set, while the company has it, else its first; "" if it has none."""
    kept = profile.caller_number or ""
    if kept and own(profile.company_id, kept):
        return str(kept)
    return next((str(number) for (number,) in rows(_FIRST, profile.id)), "")


def show(profile: Any, said: str, private: bool) -> Shown | Refusal:
    """What a call out of a profile shows; `said`: the caller's number by its PBX, `private`: it is not to be shown."""
    first = rows(_FIRST, profile.id)
    known = own(profile.company_id, *_candidates(profile, said))
    kept = policy(profile)
    if kept.number is None and first:
        ((main,),) = first
        kept, known = replace(kept, number=main), {*known, main}
    return callers.show(kept, said, private, known, profile.country)


def _candidates(profile: Any, said: str) -> tuple[str, str]:
    return e164(said, profile.country) or "", profile.caller_number or ""
