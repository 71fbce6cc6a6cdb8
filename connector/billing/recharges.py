"""Auto-recharge of companies: a card that is kept at Stripe is charged when the balance is low (docs/payments.md).

A charge is a row before Stripe is asked, and a company has one open charge at most. Stripe's answer moves no money: its
event credits the payment (payments.py), and only then may the next charge begin. Whatever is not charged parks the
setting until somebody acts (docs/decisions/0050).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from connector.core import kept, stripe, times
from connector.core import recharges as core
from connector.core.formats import shown
from connector.core.money import payable
from connector.core.payments import company_of
from connector.core.payments import reference as reference_of
from connector.core.plans import DAY_MS
from connector.core.recharges import (
    ASKED_FOR_MS,
    LATE_MS,
    TAKEN_FOR_MS,
    Answer,
    Card,
    Charge,
    Parked,
    Said,
    again_in_ms,
)
from connector.database.audit import audited, note_of
from connector.database.models import CardCharge, CardRecharge, Company
from connector.database.named import company_row
from connector.database.store import insert, lock, reading, rows, run, writing
from connector.errors import BadInput, NotFound
from connector.notices import notices

LEASE_MS = 60_000
FAILED = "card_recharge_failed"
SHOWN = 5
MOST_WHY = 200
# So many refused charges of a company are tried again in a day: more look like fraud to banks.
MOST_REFUSED = 5
# Companies whose balance is below the threshold, and whose card may be charged; and those with no open charge.
_SHORT = (
    "SELECT setting.company_id FROM card_recharge AS setting"
    " LEFT JOIN account ON account.company_id = setting.company_id AND account.purpose = 'balance'"
    " WHERE COALESCE(account.balance, 0) < setting.threshold_micros"
)
_MAY = f"{_SHORT} AND setting.method <> '' AND setting.parked = ''"
_LOW = (
    f"{_MAY} AND NOT EXISTS (SELECT 1 FROM card_charge WHERE card_charge.company_id = setting.company_id"
    " AND card_charge.state IN ('asked', 'taken'))"
)
# What was charged, or may have been.
_CHARGED = "SELECT SUM(amount_micros) FROM card_charge WHERE company_id = ? AND made_at >= ? AND state <> 'refused'"
_IN_WORDS = {
    Parked.CONFIRM: "the bank wants the card's holder to confirm",
    Parked.REFUSED: "the card was refused",
    Parked.UNKNOWN: "nobody knows whether the card was charged",
    Parked.TAKEN_BACK: "a payment by card was taken back",
}
_LATE = "SELECT id FROM card_charge WHERE state IN ('asked', 'taken') AND made_at <= ? ORDER BY id"


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
class PageRequest:
    """What a page at Stripe is asked for with: the setting's `word`, its customer there, "" for none yet, and the sum
    that the bank wants to be confirmed, 0 for none.
    """

    word: str
    customer: str
    amount_micros: int
    reference: str


@dataclass(frozen=True)
class Work:
    """What is to be done now: `low` companies, `asked` charges, those that were `taken` days ago and whose event has
    not come, and cards (methods) that have no name yet.
    """

    low: list[int]
    asked: list[int]
    taken: list[int]
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
        stripe.coins(amount, owner.currency)
        sums = {"amount_micros": amount, "threshold_micros": threshold, "monthly_limit_micros": monthly_limit}
        if _setting(owner.id) is None:
            insert(CardRecharge, company_id=owner.id, word=secrets.token_hex(12), made_at=now, **sums)
        else:
            CardRecharge.update(**sums).where(CardRecharge.company == owner).execute()
        return _view(owner, now)


@audited("company.recharge.stop")
def stop(company: str | None, now: int) -> RechargeView:
    """Charge nothing more, and forget the card. A charge that Stripe was asked for, and has not answered, is unknown
    then: it is not asked for again.
    """
    with writing():
        owner = company_row(company)
        lock("id = ?", owner.id)
        run("DELETE FROM card_recharge WHERE company_id = ?", owner.id)
        sql = (
            "UPDATE card_charge SET state = CASE tries WHEN 0 THEN 'refused' ELSE 'unknown' END, why = ?,"
            " changed_at = ? WHERE company_id = ? AND state = 'asked'"
        )
        run(sql, kept.SWITCHED_OFF.write(), now, owner.id)
        return _view(owner, now)


@audited("company.recharge.resume")
def resume(company: str | None, now: int) -> RechargeView:
    """Charge the card again, though it was refused or needed its holder. BadInput if nothing is parked, or it was
    refused too often today.
    """
    with writing():
        owner = company_row(company)
        lock("id = ?", owner.id)
        setting = _setting(owner.id)
        if setting is None or not setting.parked:
            raise BadInput("Nothing is in the way of the auto-recharge.")
        refused = "SELECT COUNT(*) FROM card_charge WHERE company_id = ? AND state = 'refused' AND number <> ''"
        if rows(f"{refused} AND made_at > ?", owner.id, now - DAY_MS)[0][0] >= MOST_REFUSED:
            raise BadInput("The card was refused too often today. Add money in another way, or try again tomorrow.")
        _unpark(owner.id)
        return _view(owner, now)


def show(company: str | None, now: int) -> RechargeView:
    """A company's auto-recharge."""
    with reading():
        return _view(company_row(company), now)


def is_parked(company: str | None) -> bool:
    """Whether a company's card is not charged until somebody acts."""
    with reading():
        setting = _setting(company_row(company).id)
        return setting is not None and bool(setting.parked)


def asking_for(company: str | None) -> PageRequest:
    """With what a page at Stripe is asked for. NotFound if no auto-recharge is set up."""
    with reading():
        owner = company_row(company)
        setting = _setting(owner.id)
        if setting is None:
            raise NotFound("The company has no auto-recharge by card yet.")
        charge: Any = CardCharge.select().where(CardCharge.company == owner).order_by(CardCharge.id.desc()).first()
        amount = charge.amount_micros if charge is not None and setting.parked == Parked.CONFIRM else 0
        return PageRequest(setting.word, setting.customer, amount, reference_of(owner.id))


def card_given(card: Card) -> bool:
    """Keep the card that somebody gave, as Stripe reports it, and charge it from now on. False if nothing changed: the
    setting does not exist any more, or a newer card was given.
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
        taken = "SELECT id FROM card_charge WHERE state = 'taken' AND changed_at <= ? ORDER BY id"
        late = [charge for (charge,) in rows(taken, now - TAKEN_FOR_MS)]
        unnamed = "SELECT method FROM card_recharge WHERE method <> '' AND card = '' ORDER BY company_id"
        return Work(low, asked, late, [method for (method,) in rows(unnamed)])


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
    """A charge that Stripe is to be asked for now: nobody else does for a while. None if somebody does, or has, or if
    it is not to be asked for any more: it was never asked for, and is not due any more; or Stripe may have forgotten
    its key, and would charge the card a second time.
    """
    with writing():
        lock("id = (SELECT company_id FROM card_charge WHERE id = ?)", charge)
        found: Any = CardCharge.get_or_none(CardCharge.id == charge)
        if found is None or found.state != "asked" or found.next_at > now:
            return None
        if found.tries == 0 and not _still_due(found, now):
            _end(found, "refused", "", kept.NOT_DUE.write(), now)
            return None
        if found.tries > 0 and now - found.made_at >= ASKED_FOR_MS:
            _unknown(found, found.why, now)
            return None
        run("UPDATE card_charge SET next_at = ?, tries = tries + 1 WHERE id = ?", now + LEASE_MS, charge)
        reference, currency = reference_of(found.company_id), found.company.currency
        return Charge(found.id, found.key, reference, found.amount_micros, currency, found.customer, found.method)


def told(
    key: str, answer: Answer, now: int, *, by_event: bool = False, reference: str = "", micros: int | None = None
) -> None:
    """What Stripe says of a charge: in its answer, or by a signed event, which alone makes it received. What comes late
    or again changes nothing. `reference`, `micros`: as the event says, of a charge that a restored store does not know.
    """
    with writing():
        lock("id = (SELECT company_id FROM card_charge WHERE key = ?)", key)
        found: Any = CardCharge.get_or_none(CardCharge.key == key)
        if found is None and by_event and answer.said is Said.TAKEN and reference and micros:
            found = _made_before_restore(key, reference, micros, now)
        if found is None or found.state == "received":
            return
        if answer.said is Said.TAKEN and by_event:
            _received(found, answer.number, now)
        elif answer.said is Said.TAKEN:
            state = {"asked": "taken"}.get(found.state, found.state)  # what is unknown is known by its event only
            sql = "UPDATE card_charge SET state = ?, number = ?, why = '', changed_at = ? WHERE id = ?"
            run(sql, state, answer.number, now, found.id)
        elif answer.said in (Said.CONFIRM, Said.REFUSED):
            if found.state in ("asked", "unknown") or (by_event and found.state == "taken"):
                _refused(found, answer, now)
        elif found.state == "asked":
            _unanswered(found, answer.words, now)


def give_up(charge: int, now: int) -> None:
    """The event of a charge that was taken has not come for days, and Stripe posts it no more: it is unknown."""
    with writing():
        lock("id = (SELECT company_id FROM card_charge WHERE id = ?)", charge)
        found: Any = CardCharge.get_or_none(CardCharge.id == charge)
        if found is not None and found.state == "taken":
            _unknown(found, kept.NO_EVENT.write(), now)


def taken_back(company: int, now: int) -> None:
    """A payment by card was refunded, or its holder has disputed it, in the caller's transaction: the card is not
    charged again before somebody says so.
    """
    setting = _setting(company)
    if setting is not None and setting.method and not setting.parked:
        text = kept.CARD_TAKEN_BACK.write()
        sql = "UPDATE card_recharge SET parked = ?, why = '', parked_at = ? WHERE company_id = ?"
        run(sql, Parked.TAKEN_BACK.value, now, company)
        notices.tell(company, None, FAILED, f"card_taken_back:{setting.word}:{now}", text, now)


def restored(now: int) -> None:
    """The store is a backup's, in the caller's transaction: what was charged since is not known here."""
    why = kept.RESTORED.write()
    run("UPDATE card_charge SET state = 'unknown', why = ?, changed_at = ? WHERE state = 'asked'", why, now)
    sql = "UPDATE card_recharge SET parked = ?, why = ?, parked_at = ? WHERE method <> ''"
    run(sql, Parked.UNKNOWN.value, why, now)


def not_possible(company: int, now: int) -> None:
    """The balance is low, and payments by card are not set up: the company's people get a notice, once a day."""
    with writing():
        lock("id = ?", company)
        day = times.local_day(now, Company.get_by_id(company).time_zone)
        notices.tell(company, None, FAILED, f"card_not_possible:{company}:{day}", kept.CARD_NOT_POSSIBLE.write(), now)


def alarms(now: int) -> list[Alarm]:
    """Recharges that cannot be made, in the caller's transaction: by the limit, or because nobody hears from Stripe."""
    return [*_over_limit(now), *_late(now), *_without_card(now)]


def troubled(now: int) -> list[str]:
    """Companies whose recharge somebody has to see to, and why."""
    with reading():
        sql = "SELECT company.name, parked FROM card_recharge JOIN company ON company.id = company_id"
        found = rows(f"{sql} WHERE parked <> '' ORDER BY company.id")
        parked = [f"{name}: {_IN_WORDS[Parked(why)]}" for name, why in found]
        late = [CardCharge.get_by_id(charge) for (charge,) in rows(_LATE, now - LATE_MS)]
        words = {"asked": "Stripe does not answer", "taken": "Stripe's event has not come"}
        return [*parked, *(f"{each.company.name}: {words[each.state]}" for each in late)]


def count() -> int:
    """How many companies are recharged by card."""
    with reading():
        return int(CardRecharge.select().count())


def _received(charge: Any, number: str, now: int) -> None:
    was_last_unknown = charge.state == "unknown" and _is_last_unknown(charge)
    sql = "UPDATE card_charge SET state = 'received', number = ?, why = '', changed_at = ? WHERE id = ?"
    run(sql, number, now, charge.id)
    setting = _setting(charge.company_id)
    if was_last_unknown and setting is not None and setting.parked == Parked.UNKNOWN:
        _unpark(charge.company_id)
    text = kept.CARD_RECHARGED.write(amount=shown(charge.amount_micros, charge.company.currency))
    notices.tell(charge.company_id, None, "recharged", f"card_recharged:{charge.id}", text, now)


def _made_before_restore(key: str, reference: str, micros: int, now: int) -> Any:
    """A charge of which the store has no row: it counts in the month's limit."""
    company = company_of(reference)
    lock("id = ?", company)
    insert(
        CardCharge, company_id=company, key=key, amount_micros=micros, customer="", method="", state="unknown",
        next_at=now, made_at=now, changed_at=now,
    )  # fmt: skip
    return CardCharge.get(CardCharge.key == key)


def _refused(charge: Any, answer: Answer, now: int) -> None:
    was_unknown = charge.state == "unknown"
    parked = Parked.CONFIRM if answer.said is Said.CONFIRM else Parked.REFUSED
    setting = _setting(charge.company_id)
    seen_to = was_unknown and not (
        setting is not None and setting.parked == Parked.UNKNOWN and _is_last_unknown(charge)
    )
    _end(charge, "refused", answer.number, answer.words, now)
    if seen_to:
        return
    amount = shown(charge.amount_micros, charge.company.currency)
    pattern = kept.CARD_CONFIRM if parked is Parked.CONFIRM else kept.CARD_REFUSED
    _park(charge, parked, answer.words, pattern.write(amount=amount, why=_words(answer.words)), now)


def _unanswered(charge: Any, why: str, now: int) -> None:
    if now - charge.made_at >= ASKED_FOR_MS:
        _unknown(charge, why, now)
        return
    sql = "UPDATE card_charge SET next_at = ?, why = ?, changed_at = ? WHERE id = ?"
    run(sql, now + again_in_ms(charge.tries), _words(why), now, charge.id)


def _unknown(charge: Any, why: str, now: int) -> None:
    _end(charge, "unknown", charge.number, why, now)
    text = kept.CARD_UNKNOWN.write(amount=shown(charge.amount_micros, charge.company.currency))
    _park(charge, Parked.UNKNOWN, why, text, now)


def _is_last_unknown(charge: Any) -> bool:
    sql = "SELECT MAX(id) FROM card_charge WHERE company_id = ? AND state = 'unknown'"
    return bool(rows(sql, charge.company_id)[0][0] == charge.id)


def _still_due(charge: Any, now: int) -> bool:
    """Whether a charge that was begun would be begun now."""
    setting = _setting(charge.company_id)
    return bool(
        rows(f"{_MAY} AND setting.company_id = ?", charge.company_id)
        and charge.made_at >= _month_start(charge.company_id, now)
        and (charge.method, charge.amount_micros) == (setting.method, setting.amount_micros)
        and _charged(charge.company_id, now) <= setting.monthly_limit_micros
    )


def _end(charge: Any, state: str, number: str, why: str, now: int) -> None:
    sql = "UPDATE card_charge SET state = ?, number = ?, why = ?, changed_at = ? WHERE id = ?"
    run(sql, state, number or charge.number, _words(why), now, charge.id)


def _park(charge: Any, parked: Parked, why: str, text: str, now: int) -> None:
    """Charge nothing more until somebody acts, and tell the company's people; not if another card was given since."""
    sql = "UPDATE card_recharge SET parked = ?, why = ?, parked_at = ? WHERE company_id = ? AND method = ?"
    if rows(f"{sql} RETURNING company_id", parked.value, _words(why), now, charge.company_id, charge.method):
        notices.tell(charge.company_id, None, FAILED, f"card_{parked}:{charge.id}", text, now)


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
    for (charge,) in rows(_LATE, now - LATE_MS):
        row: Any = CardCharge.get_by_id(charge)
        amount = shown(row.amount_micros, row.company.currency)
        if row.state == "asked":
            text = kept.CARD_LATE.write(amount=amount, why=row.why or kept.NO_STRIPE.write())
        else:
            text = kept.CARD_EVENT_LATE.write(amount=amount, number=row.number)
        found.append(Alarm(row.company_id, f"card_late:{row.state}:{charge}", text))
    return found


def _without_card(now: int) -> list[Alarm]:
    sql = f"{_SHORT} AND setting.method = '' AND setting.made_at <= ?"
    found = [(company, _setting(company).word) for (company,) in rows(sql, now - LATE_MS)]
    return [Alarm(company, f"card_none:{word}", kept.CARD_NONE.write()) for company, word in found]


def _room(company: int, now: int) -> bool:
    """Whether the limit of this month leaves room for one more charge."""
    setting = _setting(company)
    return setting is not None and _charged(company, now) + setting.amount_micros <= setting.monthly_limit_micros


def _charged(company: int, now: int) -> int:
    return int(rows(_CHARGED, company, _month_start(company, now))[0][0] or 0)


def _month_start(company: int, now: int) -> int:
    zone = Company.get_by_id(company).time_zone
    return times.month_start(times.local_month(now, zone), zone)


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
