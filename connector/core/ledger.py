"""What the ledger is made of: accounts by name, entries of balanced postings, and the chain of their hashes.

An account's name says whose it is and what for: `company:1:balance`, `profile:3:credit`, `term:7:bundle`. Money and
bundle seconds are two assets; each entry balances in each of them. A posting's amount is what the account gains.

What money can be, and how it moves:

    outside --top-up--> balance --add--> credit --hold--> credit_held --settle--> usage
                           |                ^                  |
                           |--recharge------'<------void-------'
                           |--hold--> held --settle--> usage         (a US call when its bundle is used up)
                           '--buy---> subscription, bundles, number_fees
    seconds_sold --buy--> bundle --hold--> bundle_held --settle--> seconds_used
                             '--the term ends--> seconds_expired
    payable --cost--> cost                                             (what a carrier takes for a call)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

GENESIS = "0" * 64
# Beyond it no balance can go, on any database, without an overflow.
MOST_BALANCE = 4 * 10**18

COMPANY_ACCOUNTS = {
    "balance": "money",
    "held": "money",
    "outside": "money",
    "usage": "money",
    "subscription": "money",
    "bundles": "money",
    "number_fees": "money",
    "cost": "money",
    "seconds_sold": "seconds",
    "seconds_used": "seconds",
    "seconds_expired": "seconds",
}
PROFILE_ACCOUNTS = {"credit": "money", "credit_held": "money"}
TERM_ACCOUNTS = {"bundle": "seconds", "bundle_held": "seconds"}
TRUNK_ACCOUNTS = {"payable": "money"}
_ASSETS = {**COMPANY_ACCOUNTS, **PROFILE_ACCOUNTS, **TERM_ACCOUNTS, **TRUNK_ACCOUNTS}
# Where money and seconds come from: these alone go below zero. What is owed to a carrier is what came from it.
SOURCES = ("outside", "seconds_sold", "payable")
# What carriers cost is the operator's own business: the people of a company do not see it.
OF_COSTS = ("cost", "payable")
HELD = ("held", "credit_held", "bundle_held")


def company_account(company: int, purpose: str) -> str:
    """The name of a company's account, by purpose. KeyError if companies have none for it."""
    COMPANY_ACCOUNTS[purpose]
    return f"company:{company}:{purpose}"


def profile_account(profile: int, purpose: str) -> str:
    """The name of a profile's account, by purpose. KeyError if profiles have none for it."""
    PROFILE_ACCOUNTS[purpose]
    return f"profile:{profile}:{purpose}"


def term_account(term: int, purpose: str) -> str:
    """The name of a term's account, by purpose. KeyError if terms have none for it."""
    TERM_ACCOUNTS[purpose]
    return f"term:{term}:{purpose}"


def trunk_account(trunk: int, purpose: str) -> str:
    """The name of a trunk's account, by purpose. KeyError if trunks have none for it."""
    TRUNK_ACCOUNTS[purpose]
    return f"trunk:{trunk}:{purpose}"


def purpose(account: str) -> str:
    """What an account is for: the last word of its name."""
    return account.rpartition(":")[2]


def asset(account: str) -> str:
    """`money` or `seconds`."""
    return _ASSETS[purpose(account)]


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of an entry: what an account gains, or loses if negative. Never 0."""

    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the ledger. `number` counts a company's entries; `about` says what it was, for people."""

    number: int
    key: str
    kind: str
    at: int
    about: str
    postings: tuple[Posting, ...]


def moved(amount: int, source: str, target: str) -> list[Posting]:
    """The two postings that move `amount` from one account to another; none for nothing."""
    return [Posting(source, -amount), Posting(target, amount)] if amount else []


def gathered(postings: Sequence[Posting]) -> tuple[Posting, ...]:
    """The same movement with one posting an account, in the order of their names, and none of 0."""
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.account] = sums.get(posting.account, 0) + posting.amount
    return tuple(Posting(account, amount) for account, amount in sorted(sums.items()) if amount)


def balanced(postings: Sequence[Posting]) -> bool:
    """Whether nothing came from nowhere, in either asset."""
    sums = {"money": 0, "seconds": 0}
    for posting in postings:
        sums[asset(posting.account)] += posting.amount
    return not any(sums.values())


def chained(previous: str, entry: Entry) -> str:
    """The hash of an entry, over its every figure and the hash of the one before it."""
    lines = [[posting.account, posting.amount] for posting in entry.postings]
    text = json.dumps([previous, entry.number, entry.key, entry.kind, entry.at, entry.about, lines], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
