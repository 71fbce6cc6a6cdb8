"""What the functions of a batch will ask, asked at once: the writer runs up to 30 of them in one transaction.

Each of them would lock its company and read its call by itself. Together that is one trip to PostgreSQL instead of
thirty. What is read here is remembered for the transaction (`store.remember`), and each function still decides by what
the ones before it changed. A function for which nothing is remembered asks by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from connector.billing import calls, costs, facts, ledger
from connector.core.calls import Attempt
from connector.core.ledger import company_account, profile_account
from connector.database import reference
from connector.database.store import Question, answers, for_good, lock_companies, records, remember

_DECIDED = "SELECT id FROM call WHERE id IN ({0}) UNION ALL SELECT id FROM cdr WHERE id IN ({0})"
_SLOTS = "SELECT profile_id, slot FROM call WHERE profile_id IN ({0}) AND dead_at IS NULL"
_CALLS = "SELECT * FROM call WHERE id IN ({0})"
_HOLDS = "SELECT * FROM hold WHERE call_id IN ({0})"

# Whose a call is: the company, and the profile if that is known.
Owner = tuple[int, int | None]


def look_ahead(functions: Sequence[Callable[[], Any]]) -> None:
    """Lock the companies of these functions and read what they will ask; inside the transaction that runs them.

    A company that another node has is left out: its functions try by themselves. StoreUnavailable.
    """
    attempts, live = _calls_of(functions)
    if len(attempts) + len(live) < 2:  # one by itself asks in one trip too
        return
    reference.look()
    owners: dict[str, Owner] = {call_id: owner for call_id in live if (owner := for_good(call_id)) is not None}
    for attempt in attempts.values():
        owner = facts.owner_of(attempt)
        if owner is not None:
            owners[attempt.call_id] = owner
    if len(owners) < 2:
        return
    new = sorted(attempts.keys() & owners.keys())
    up = sorted(owners.keys() - set(new))
    companies = list(dict.fromkeys(company for company, _ in owners.values()))
    profiles = sorted({profile for _, profile in owners.values() if profile is not None})
    accounts = [profile_account(profile, name) for profile in profiles for name in ("credit", "credit_held")]
    accounts += [company_account(company, "usage") for company in companies]
    accounts += [name for company in companies for name in costs.accounts_of(company)]
    # A call that ends gives its channel back without looking at the others.
    callers = sorted({profile for call_id in new if (profile := owners[call_id][1]) is not None})
    decided, slots = _question(_DECIDED, new, twice=True), _question(_SLOTS, callers)
    calls_up, holds = _question(_CALLS, up), _question(_HOLDS, up)
    asked = [question for question in (decided, slots, calls_up, holds) if question is not None]
    asked += [*map(ledger.head_question, companies), ledger.balances_question(accounts, with_company=True)]
    locked = lock_companies(companies, asked)
    done = {call_id for (call_id,) in _answer(decided)}
    taken: dict[int, set[int]] = {profile: set() for profile in callers}
    for profile, slot in _answer(slots):
        taken[profile].add(slot)
    there = {} if calls_up is None else {row.id: row for row in records(*calls_up)}
    held = {} if holds is None else {row.call_id: row for row in records(*holds)}
    for company in locked.intersection(companies):
        ledger.remember_head(company)
    ledger.remember_balances(accounts)
    for call_id, (company, profile) in owners.items():
        if company not in locked:
            continue
        if profile in taken:
            remember(facts.slots_key(profile), frozenset(taken[profile]))
        if call_id in attempts:
            remember(calls.decided_key(call_id), call_id in done)
        else:
            remember(calls.live_key(call_id), (there.get(call_id), held.get(call_id)))


def _calls_of(functions: Sequence[Callable[[], Any]]) -> tuple[dict[str, Attempt], set[str]]:
    """Of functions that are bound to their arguments: the attempts to be decided, by call id, and the ids of calls that
    are answered, extended or ended.
    """
    attempts: dict[str, Attempt] = {}
    live: set[str] = set()
    for function in functions:
        if isinstance(function, functools.partial) and function.args:
            if isinstance(function.args[0], Attempt):  # `calls.admit`, or what calls it
                attempts[function.args[0].call_id] = function.args[0]
            elif function.func in (calls.answered, calls.extend, calls.ended):
                live.add(function.args[0])
    return attempts, live - attempts.keys()


def _question(sql: str, values: Sequence[Any], *, twice: bool = False) -> Question | None:
    """A question with a list of values, whose length is a power of two: so there are few statements to prepare."""
    if not values:
        return None
    most = 1 << (len(values) - 1).bit_length()
    padded = (*values, *[values[-1]] * (most - len(values)))
    return sql.format(", ".join("?" * most)), padded * (2 if twice else 1)


def _answer(question: Question | None) -> list[tuple[Any, ...]]:
    return [] if question is None else answers(question)
