"""Auto-recharge of companies: a card that is kept at Stripe is charged when the balance is low (docs/payments.md).

A charge is a row before Stripe is asked, and a company has one open charge at most. Stripe's answer moves no money: its
event credits the payment (payments.py), and only then may the next charge begin. Whatever is not charged parks the
setting until somebody acts (docs/decisions/0050).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from connector.core import kept, times
from connector.core import recharges as core
from connector.core.formats import shown
from connector.core.money import payable
from connector.core.payments import reference as reference_of
from connector.core.recharges import ASKED_FOR_MS, LATE_MS, Answer, Card, Charge, Parked, Said, again_in_ms
from connector.database.audit import audited, note_of
from connector.database.models import CardCharge, CardRecharge, Company
from connector.database.named import company_row
from connector.database.store import insert, lock, reading, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.notices import notices

LEASE_MS = 60_000
SHOWN = 5
MOST_WHY = 200
# Companies whose balance is below the threshold, and whose card may be charged.
_LOW = (
    "SELECT setting.company_id FROM card_recharge AS setting"
    " LEFT JOIN account ON account.company_id = setting.company_id AND account.purpose = 'balance'"
    " WHERE setting.method <> '' AND setting.parked = '' AND COALESCE(account.balance, 0) < setting.threshold_micros"
    " AND NOT EXISTS (SELECT 1 FROM card_charge WHERE card_charge.company_id = setting.company_id"
    " AND card_charge.state IN ('asked', 'taken'))"
)
# What was charged, or may have been.
_CHARGED = "SELECT SUM(amount_micros) FROM card_charge WHERE company_id = ? AND made_at >= ? AND state <> 'refused'"
_REQUEST = "SELECT id, key, company_id, amount_micros, customer, method FROM card_charge WHERE id = ?"


@dataclass(frozen=True)
class ChargeView:
    """What a card was charged with, in micros. `state`: asked, taken, received, refused or unknown."""

    amount_micros: int
    state: str
    number: str
    why: str
    made_at: int


@dataclass(frozen=True)
class RechargeView:
    """A company's auto-recharge, in micros of `currency`; its amounts are None where there is none. `card`: what people
    call the card; `has_card`: one was given. `parked`: why nothing is charged until somebody acts (confirm, refused,
    unknown), "" if nothing is in the way; `why` in Stripe's words. `charged_micros`: this calendar month, with what may
    have been charged. `charges`: the newest ones.
    """

    company: str
    currency: str
    amount_micros: int | None
    threshold_micros: int | None
    monthly_limit_micros: int | None
    has_card: bool
    card: str
    parked: str
    why: str
    parked_at: int | None
    charged_micros: int
    charges: list[ChargeView]


@dataclass(frozen=True)
class Kept:
    """What a page at Stripe is asked for with: the setting's `word`, and its customer there, "" for none yet."""

    word: str
    customer: str
    amount_micros: int
    reference: str


@dataclass(frozen=True)
class Work:
    """What is to be done now: `low` companies, `asked` charges, and cards (methods) that have no name yet."""

    low: list[int]
    asked: list[int]
    unnamed: list[str]


@dataclass(frozen=True)
class Alarm:
    """A recharge that could not be made: to be told once, by its `key`."""

    company: int
    key: str
    text: str


@audited("company.recharge.set")
def set_up(company: str | None, amount: int, threshold: int, monthly_limit: int, now: int) -> RechargeView:
    """Charge a company's card with `amount` whenever its balance falls below `threshold`, and never with more than
    `monthly_limit` in a calendar month of its time zone; all in micros. A card that was given stays. BadInput.
    """
    core.checked(amount, threshold, monthly_limit)
    with writing():
        owner = company_row(company)
        lock("id = ?", owner.id)
        payable(amount, owner.currency)
        sums = {"amount_micros": amount, "threshold_micros": threshold, "monthly_limit_micros": monthly_limit}
        if _setting(owner.id) is None:
            insert(CardRecharge, company_id=owner.id, word=secrets.token_hex(12), **sums)
        else:
            CardRecharge.update(**sums).where(CardRecharge.company == owner).execute()
        return _view(owner, now)


@audited("company.recharge.stop")
def stop(company: str | None, now: int) -> RechargeView:
    """Charge nothing more, and forget the card. What Stripe was asked for already goes on."""
    with writing():
        owner = company_row(company)
        lock("id = ?", owner.id)
        run("DELETE FROM card_recharge WHERE company_id = ?", owner.id)
        sql = "UPDATE card_charge SET state = 'refused', why = ?, changed_at = ?"
        run(f"{sql} WHERE company_id = ? AND state = 'asked' AND tries = 0", kept.SWITCHED_OFF.write(), now, owner.id)
        return _view(owner, now)


@audited("company.recharge.resume")
def resume(company: str | None, now: int) -> RechargeView:
    """Charge the card again, though it was refused or needed its holder. BadInput if nothing is parked."""
    with writing():
        owner = company_row(company)
        lock("id = ?", owner.id)
        setting = _setting(owner.id)
        if setting is None or not setting.parked:
            raise BadInput("Nothing is in the way of the auto-recharge.")
        _unpark(owner.id)
        return _view(owner, now)


def show(company: str | None, now: int) -> RechargeView:
    """A company's auto-recharge."""
    with reading():
        return _view(company_row(company), now)


def asking_for(company: str | None) -> Kept:
    """With what a page at Stripe is asked for. NotFound if no auto-recharge is set up."""
    with reading():
        owner = company_row(company)
        setting = _setting(owner.id)
        if setting is None:
            raise NotFound("The company has no auto-recharge by card yet.")
        return Kept(setting.word, setting.customer, setting.amount_micros, reference_of(owner.id))


def card_given(card: Card) -> bool:
    """Stripe says which card somebody gave; nothing is parked any more. False if it is no news: for a setting that is
    no more, or an older card.
    """
    with writing():
        lock("id = (SELECT company_id FROM card_recharge WHERE word = ?)", card.setting)
        setting: Any = CardRecharge.get_or_none(CardRecharge.word == card.setting)
        if setting is None or card.at < setting.card_at or (card.at, card.method) == (setting.card_at, setting.method):
            return False
        same = card.method == setting.method
        sql = "UPDATE card_recharge SET customer = ?, method = ?, card = ?, card_at = ? WHERE company_id = ?"
        run(sql, card.customer, card.method, setting.card if same else "", card.at, setting.company_id)
        _unpark(setting.company_id)
        note_of(setting.company_id, "company.recharge.card", card.method)
        return True


def named(method: str, card: str) -> None:
    """What people call a card."""
    with writing():
        lock("id IN (SELECT company_id FROM card_recharge WHERE method = ?)", method)
        run("UPDATE card_recharge SET card = ? WHERE method = ?", card[:MOST_WHY], method)


def work(now: int) -> Work:
    """What is to be done now."""
    with reading():
        low = [company for (company,) in rows(_LOW) if _room(company, now)]
        sql = "SELECT id FROM card_charge WHERE state = 'asked' AND next_at <= ? ORDER BY id"
        asked = [charge for (charge,) in rows(sql, now)]
        unnamed = "SELECT method FROM card_recharge WHERE method <> '' AND card = '' ORDER BY company_id"
        return Work(low, asked, [method for (method,) in rows(unnamed)])


def begin(company: int, now: int) -> bool:
    """Begin a charge, if one is due; False if not, or the limit of the month leaves no room."""
    with writing():
        lock("id = ?", company)
        if not rows(f"{_LOW} AND setting.company_id = ?", company) or not _room(company, now):
            return False
        setting = _setting(company)
        insert(
            CardCharge, company_id=company, key=secrets.token_hex(16), amount_micros=setting.amount_micros,
            customer=setting.customer, method=setting.method, state="asked", next_at=now, made_at=now, changed_at=now,
        )  # fmt: skip
        return True


def claim(charge: int, now: int) -> Charge | None:
    """A charge that Stripe is to be asked for now: nobody else does for a while. None if somebody does, or has."""
    with writing():
        lock("id = (SELECT company_id FROM card_charge WHERE id = ?)", charge)
        sql = "UPDATE card_charge SET next_at = ?, tries = tries + 1 WHERE id = ? AND state = 'asked' AND next_at <= ?"
        if not rows(f"{sql} RETURNING id", now + LEASE_MS, charge, now):
            return None
        ((number, key, company, micros, customer, method),) = rows(_REQUEST, charge)
        currency = Company.get_by_id(company).currency
        return Charge(number, key, reference_of(company), micros, currency, customer, method)


def told(key: str, answer: Answer, now: int, *, by_event: bool = False) -> None:
    """What Stripe says of a charge: in its answer, or by a signed event, which alone makes it received. What comes late
    or again changes nothing.
    """
    with writing():
        lock("id = (SELECT company_id FROM card_charge WHERE key = ?)", key)
        found: Any = CardCharge.get_or_none(CardCharge.key == key)
        if found is None or found.state not in ("asked", "taken", "unknown"):
            return
        if answer.said is Said.TAKEN:
            _taken(found, answer.number, now, received=by_event)
        elif answer.said in (Said.CONFIRM, Said.REFUSED):
            if found.state != "taken" or by_event:  # what was on its way fails by an event
                _refused(found, answer, now)
        elif found.state == "asked":
            _unanswered(found, answer.words, now)


def alarms(now: int) -> list[Alarm]:
    """Recharges that cannot be made, in the caller's transaction: by the limit, or because nobody hears from Stripe."""
    return [*_over_limit(now), *_late(now)]


def troubled() -> list[str]:
    """The names of companies whose recharge somebody has to see to."""
    with reading():
        sql = "SELECT company.name FROM card_recharge JOIN company ON company.id = company_id WHERE parked <> ''"
        return [name for (name,) in rows(f"{sql} ORDER BY company.id")]


def count() -> int:
    """How many companies are recharged by card."""
    with reading():
        return int(CardRecharge.select().count())


def _taken(charge: Any, number: str, now: int, *, received: bool) -> None:
    company = charge.company
    was_unknown = charge.state == "unknown"
    sql = "UPDATE card_charge SET state = ?, number = ?, why = '', changed_at = ? WHERE id = ?"
    run(sql, "received" if received else "taken", number, now, charge.id)
    if received:
        if was_unknown:  # and now is known
            run("UPDATE card_recharge SET parked = '' WHERE company_id = ? AND parked = 'unknown'", company.id)
        text = kept.CARD_RECHARGED.write(amount=shown(charge.amount_micros, company.currency))
        notices.tell(company.id, None, "recharged", f"card_recharged:{charge.id}", text, now)


def _refused(charge: Any, answer: Answer, now: int) -> None:
    parked = Parked.CONFIRM if answer.said is Said.CONFIRM else Parked.REFUSED
    _end(charge, "refused", answer.number, answer.words, now)
    setting = _setting(charge.company_id)
    if charge.state == "unknown" and setting is not None and setting.parked != Parked.UNKNOWN:
        return  # somebody has seen to it already
    amount = shown(charge.amount_micros, charge.company.currency)
    pattern = kept.CARD_CONFIRM if parked is Parked.CONFIRM else kept.CARD_REFUSED
    _park(charge, parked, answer.words, pattern.write(amount=amount, why=_words(answer.words)), now)


def _unanswered(charge: Any, why: str, now: int) -> None:
    if now - charge.made_at >= ASKED_FOR_MS:
        _end(charge, "unknown", "", why, now)
        text = kept.CARD_UNKNOWN.write(amount=shown(charge.amount_micros, charge.company.currency))
        _park(charge, Parked.UNKNOWN, why, text, now)
        return
    sql = "UPDATE card_charge SET next_at = ?, why = ?, changed_at = ? WHERE id = ?"
    run(sql, now + again_in_ms(charge.tries), _words(why), now, charge.id)


def _end(charge: Any, state: str, number: str, why: str, now: int) -> None:
    sql = "UPDATE card_charge SET state = ?, number = ?, why = ?, changed_at = ? WHERE id = ?"
    run(sql, state, number or charge.number, _words(why), now, charge.id)


def _park(charge: Any, parked: Parked, why: str, text: str, now: int) -> None:
    """Charge nothing more until somebody acts, and tell the company's people; not if another card was given since."""
    sql = "UPDATE card_recharge SET parked = ?, why = ?, parked_at = ? WHERE company_id = ? AND method = ?"
    run(sql, parked.value, _words(why), now, charge.company_id, charge.method)
    notices.tell(charge.company_id, None, "card_recharge_failed", f"card_{parked}:{charge.id}", text, now)


def _unpark(company: int) -> None:
    run("UPDATE card_recharge SET parked = '', why = '', parked_at = NULL WHERE company_id = ?", company)


def _over_limit(now: int) -> list[Alarm]:
    found = []
    for (company,) in rows(_LOW):
        if not _room(company, now):
            setting, owner = _setting(company), Company.get_by_id(company)
            month = times.local_month(now, owner.time_zone)
            limit = shown(setting.monthly_limit_micros, owner.currency)
            text = kept.CARD_LIMIT.write(limit=limit)
            found.append(Alarm(company, f"card_limit:{company}:{month}:{setting.monthly_limit_micros}", text))
    return found


def _late(now: int) -> list[Alarm]:
    found = []
    sql = "SELECT id FROM card_charge WHERE state IN ('asked', 'taken') AND made_at <= ? ORDER BY id"
    for (charge,) in rows(sql, now - LATE_MS):
        row: Any = CardCharge.get_by_id(charge)
        amount = shown(row.amount_micros, row.company.currency)
        if row.state == "asked":
            text = kept.CARD_LATE.write(amount=amount, why=row.why)
        else:
            text = kept.CARD_EVENT_LATE.write(amount=amount, number=row.number)
        found.append(Alarm(row.company_id, f"card_late:{row.state}:{charge}", text))
    return found


def _room(company: int, now: int) -> bool:
    """Whether the limit of this month leaves room for one more charge."""
    setting = _setting(company)
    return setting is not None and _charged(company, now) + setting.amount_micros <= setting.monthly_limit_micros


def _charged(company: int, now: int) -> int:
    zone = Company.get_by_id(company).time_zone
    since = times.month_start(times.local_month(now, zone), zone)
    return int(rows(_CHARGED, company, since)[0][0] or 0)


def _setting(company: int) -> Any:
    return CardRecharge.get_or_none(CardRecharge.company == company)


def _words(why: str) -> str:
    return why[:MOST_WHY]


def _view(owner: Any, now: int) -> RechargeView:
    setting = _setting(owner.id)
    newest = CardCharge.select().where(CardCharge.company == owner).order_by(CardCharge.id.desc()).limit(SHOWN)
    return RechargeView(
        owner.name,
        owner.currency,
        setting.amount_micros if setting else None,
        setting.threshold_micros if setting else None,
        setting.monthly_limit_micros if setting else None,
        bool(setting and setting.method),
        setting.card if setting else "",
        setting.parked if setting else "",
        setting.why if setting else "",
        setting.parked_at if setting else None,
        _charged(owner.id, now),
        [ChargeView(row.amount_micros, row.state, row.number, row.why, row.made_at) for row in newest],
    )
