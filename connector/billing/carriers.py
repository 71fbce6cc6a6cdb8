"""Which carriers a call may go by, and in which order: by what they take, by the floors of margins, and by the policy
that a company or a profile has set. The rules are in core/trunks.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.billing import costs
from connector.core import trunks as core
from connector.core.gate import Offer, ProfileFacts
from connector.core.trunks import LeftOut, Priced, Routing, TrunkChoice
from connector.database import reference
from connector.database.audit import audited
from connector.database.models import Profile, TrunkOrder
from connector.database.named import company_and_profile, company_row
from connector.database.store import reading, rows, writing
from connector.errors import BadInput, NotFound
from connector.routing import trunks

_POLICIES = "SELECT profile_id, policy FROM trunk_order WHERE company_id = ?"


@dataclass(frozen=True)
class Chosen:
    """The trunks that a call tries, in order, those that were left out, and both as they are kept with the call."""

    tries: tuple[TrunkChoice, ...]
    left_out: tuple[LeftOut, ...]
    routing: Routing


def of_call(profile: Profile, call_id: str, called: str, offer: Offer | None, at: int) -> Chosen:
    """The trunks of an outgoing call, in the caller's transaction. The cost of a service number is not known, and is
    not asked for.
    """
    choices = reference.made(("choices", profile.id), lambda: _choices(profile))
    left_out: list[LeftOut] = []
    if called.startswith("+"):
        found = [Priced(each, *costs.of_trunk(profile.company_id, each.id, called, at)) for each in choices]
        priced, left_out = core.allowed(found, offer.rate if offer else None, costs.floor_of(profile))
    else:
        priced = [Priced(each) for each in choices]
    policy = policy_of(profile)
    tries = core.order(priced, call_id, policy)
    kept = core.routing(policy, tries, left_out)
    return Chosen(tuple(each.choice for each in tries), tuple(left_out), kept)


def _choices(profile: Profile) -> list[TrunkChoice]:
    sql, values = trunks.choices(profile)
    return [trunks.choice(row) for row in reference.rows(sql, *values)]


def policy_of(profile: Profile | ProfileFacts) -> str:
    """In which order the calls of a profile try trunks, by its own policy or its company's; in a transaction."""
    found = dict(reference.rows(_POLICIES, profile.company_id))
    return str(found.get(profile.id, found.get(None, core.FIXED)))


@dataclass(frozen=True)
class PolicyView:
    """In which order the calls of a company, or of one profile, try trunks."""

    company: str
    profile: str
    policy: str


@audited("trunk.order", of_house=True)
def set_policy(policy: str, company: str | None = None, profile: str | None = None) -> None:
    """Say in which order the calls of a company, or of one profile, try trunks. "": a profile's as its company's, and a
    company's as usual. BadInput, NotFound.
    """
    if policy and policy not in core.POLICIES:
        raise BadInput("Invalid policy {policy!r}. Use one of {all}.", policy=policy[:20], all=", ".join(core.POLICIES))
    with writing():
        owner, row = company_and_profile(company, profile)
        of_profile = TrunkOrder.profile.is_null() if row is None else TrunkOrder.profile == row
        TrunkOrder.delete().where((TrunkOrder.company == owner) & of_profile).execute()
        if policy:
            TrunkOrder.create(company=owner, profile=row, policy=policy)


def list_policies(company: str | None = None) -> list[PolicyView]:
    """The policies that are set, a company's own first."""
    sql = (
        "SELECT company.name, COALESCE(profile.name, ''), policy FROM trunk_order"
        " JOIN company ON company.id = trunk_order.company_id LEFT JOIN profile ON profile.id = trunk_order.profile_id"
    )
    with reading():
        values = []
        if company is not None:
            sql, values = f"{sql} WHERE company.id = ?", [company_row(company).id]
        return [PolicyView(*row) for row in rows(f"{sql} ORDER BY 1, 2", *values)]


def routing_of(cdr_id: str) -> Routing:
    """What was decided for a call, by its whole id. NotFound if there was nothing to decide."""
    with reading():
        found = rows("SELECT routing FROM cdr WHERE id = ?", cdr_id)
    kept = Routing.of_text(found[0][0]) if found else None
    if kept is None:
        raise NotFound("For the call {id} there was one trunk, and nothing to decide.", id=cdr_id)
    return kept
