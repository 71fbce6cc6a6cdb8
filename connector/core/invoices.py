"""Invoices and credit notes: what they have to say, their tax, their sums. Pure.

What an invoice says: article 226 of Directive 2006/112/EC. The codes of documents, taxes and exemptions are those of
EN 16931-1 (UNTDID 1001 and 5305, and the VATEX list). What customers pay and are charged includes tax: the ledger has
one sum, and a document says how much of it is tax.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from connector.core import kept
from connector.core.money import decimal, divided_half_up, minor_digits, minor_unit, percent
from connector.errors import BadInput
from connector.words import USUAL, Words, listed, locale, marked, phrase, tr

# When a supply is taxed: when its money comes in (article 65, a payment on account), or when it was used.
TAX_POINTS = ("payment", "use")
# What a document is, and its code in UNTDID 1001.
CODES = {"invoice": "380", "prepayment": "386", "credit note": "381"}
TITLES = {
    "invoice": marked("Invoice"),
    "prepayment": marked("Invoice for a payment on account"),
    "credit note": marked("Credit note"),
}
MOST_RATE = 5_000  # hundredths of a percent: 50 %
# Kinds of tax: their code in UNTDID 5305, the reason's in the VATEX list, and what has to stand on the document.
TAXES = {
    "standard": ("S", "", ""),
    "reverse_charge": (
        "AE",
        "VATEX-EU-AE",
        marked("Reverse charge: the tax is due from the customer (article 196, 2006/112/EC)"),
    ),
    "exempt": ("E", "", ""),
    "outside": ("O", "VATEX-EU-O", marked("Not subject to VAT here: the place of supply is where the customer is")),
}
# The member states, by ISO 3166; and by what their VAT numbers begin with where that is another word.
EU = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())
_RULES_OF = {"EL": "gr", "XI": "gb"}
_LONGEST = 100
_LONGEST_REASON = 250
_NEEDED = {
    "name": marked("the name"),
    "street": marked("the street"),
    "city": marked("the city"),
    "country": marked("the country"),
}


@dataclass(frozen=True)
class Party:
    """Who sells or buys. `country`: ISO 3166, two letters. `vat_number` begins with its country's letters, "" for none.
    `extra` is a second line of the street.
    """

    name: str
    street: str
    city: str
    country: str
    postcode: str = ""
    extra: str = ""
    vat_number: str = ""


@dataclass(frozen=True)
class Tax:
    """`kind` is one of TAXES. `rate`: hundredths of a percent, 0 unless it is standard. `reason`: why none is due."""

    kind: str
    rate: int = 0
    reason: str = ""

    @property
    def code(self) -> str:
        """In UNTDID 5305."""
        return TAXES[self.kind][0]

    @property
    def reason_code(self) -> str:
        """In the VATEX list; "" for none."""
        return TAXES[self.kind][1]


@dataclass(frozen=True)
class Terms:
    """How this installation invoices. `rates`: of the standard tax, from which day on, hundredths of a percent, oldest
    first. `tax_point`: one of TAX_POINTS. `series`: what numbers begin with. `first_day`: of what was before it there
    are no invoices. `currency` and `zone` are those of the seller's books.
    """

    seller: Party
    rates: tuple[tuple[str, int], ...]
    tax_point: str
    series: str
    first_day: str
    currency: str
    zone: str = "UTC"

    def rate_on(self, day: str) -> int:
        """The rate of the standard tax on a day; of a day before the first one, the first one."""
        found = [rate for since, rate in self.rates if since <= day]
        return found[-1] if found else self.rates[0][1]


@dataclass(frozen=True)
class Line:
    """A line of a document, without tax, in micros that are whole coins."""

    name: str
    micros: int


@dataclass(frozen=True)
class Document:
    """An invoice or credit note, as it was issued. Days are `2026-11-30`, sums in micros that are whole coins.

    `supplied_from` to `supplied_until`: when it was supplied; of a payment on account, when that was received.
    `corrects`: the number and day of the document that a credit note corrects. `about`: the payment, for people.
    `language`: one of words.LANGUAGES, in which it is written; its texts here are as they are kept, in English.
    """

    number: str
    kind: str
    issued_on: str
    supplied_from: str
    supplied_until: str
    seller: Party
    buyer: Party
    currency: str
    tax: Tax
    lines: tuple[Line, ...]
    net_micros: int
    tax_micros: int
    gross_micros: int
    corrects: tuple[str, str] | None = None
    about: str = ""
    language: str = USUAL

    @property
    def title(self) -> str:
        """What it is called, on it."""
        return TITLES[self.kind]


def as_plain(document: Document) -> dict[str, Any]:
    """A document as JSON has it."""
    return asdict(document)


def from_plain(said: Mapping[str, Any]) -> Document:
    """A document that `as_plain` made."""
    parts = {
        "seller": Party(**said["seller"]),
        "buyer": Party(**said["buyer"]),
        "tax": Tax(**said["tax"]),
        "lines": tuple(Line(**line) for line in said["lines"]),
        "corrects": tuple(said["corrects"]) if said["corrects"] else None,
    }
    return Document(**{**said, **parts})


def number(series: str, count: int) -> str:
    """The number of a document: `INV-000042`, the 42nd of its series."""
    return f"{series}{count:06d}"


def taxed(gross: int, rate: int, currency: str) -> tuple[int, int]:
    """What is net and what is tax in a sum that includes it, in micros that are whole coins. `rate` in hundredths of a
    percent.
    """
    coin = minor_unit(currency)
    net = divided_half_up(gross // coin * 10_000, 10_000 + rate) * coin
    return net, gross - net


def shares(whole: int, parts: Sequence[int], currency: str) -> list[int]:
    """A sum divided in proportion to parts, in whole coins that add up to it. A negative part is a deduction."""
    coin, total = minor_unit(currency), sum(parts)
    exact = [whole * part for part in parts]
    made = [each // (total * coin) for each in exact]
    left = whole // coin - sum(made)
    by_rest = sorted(range(len(parts)), key=lambda at: exact[at] % (total * coin), reverse=True)
    for at in by_rest[:left]:
        made[at] += 1
    return [each * coin for each in made]


def in_coins(micros: int, currency: str) -> tuple[int, int]:
    """A sum in whole coins, rounded down, and what is left of it for the next document."""
    left = micros % minor_unit(currency)
    return micros - left, left


def document(
    number: str,
    kind: str,
    days: tuple[str, str, str],
    parties: tuple[Party, Party],
    tax: Tax,
    currency: str,
    sums: Mapping[str, int],
    before: tuple[int, int] = (0, 0),
    **more: Any,
) -> Document:
    """A document. `days`: when it is issued, and from when until when it was supplied; `parties`: seller and buyer;
    `sums`: what is charged, with tax, in micros by the line's name, whole coins together. `before`: gross and net of
    the credit notes that correct the same invoice, so that all of them together have its tax.
    """
    gross = sum(sums.values())
    net = taxed(before[0] + gross, tax.rate, currency)[0] - before[1]
    due = gross - net
    kept = {name: part for name, part in sums.items() if part}
    lines = zip(kept, shares(net, list(kept.values()), currency), strict=True)
    made = tuple(Line(name, part) for name, part in lines if part)
    return Document(number, kind, *days, *parties, currency, tax, made, net, due, gross, **more)


def translated(made: Document) -> Document:
    """A document with its texts of ours in the reader's language; what people wrote stays."""
    said = TAXES[made.tax.kind][2]
    ours = bool(said) and made.tax.reason.startswith(said)
    reason = tr(said) + made.tax.reason.removeprefix(said) if ours else made.tax.reason
    lines = tuple(replace(line, name=tr(line.name)) for line in made.lines)
    return replace(made, tax=replace(made.tax, reason=reason), lines=lines, about=kept.read(made.about))


def address(party: Party) -> list[str]:
    """The lines below a party's name on a letter, and its VAT number, in the reader's language."""
    from connector.core.formats import countries  # here: every command loads the settings, few this

    city = f"{party.postcode} {party.city}".strip()
    vat_number = tr("VAT number {vat_number}", vat_number=party.vat_number) if party.vat_number else ""
    lines = (party.street, party.extra, city, countries(locale()).get(party.country, party.country), vat_number)
    return [line for line in lines if line]


def lacking(party: Party) -> list[Words]:
    """What an invoice has to say of a party and is not known, in words."""
    return [words for name, words in _NEEDED.items() if not getattr(party, name)]


def hindrance(currency: str, kind: str, terms: Terms) -> str:
    """Why a company of a currency cannot have invoices, in words; "" if it can."""
    if minor_digits(currency) > 2:
        return phrase("EN 16931 has two decimals at the most, and {currency} has three", currency=currency)
    if kind == "standard" and currency != terms.currency:  # article 230
        return phrase(
            "tax has to be said in {ours} too, and no exchange rate of {currency} is known",
            ours=terms.currency,
            currency=currency,
        )
    return ""


def checked_party(said: Mapping[str, str]) -> Party:
    """A party as somebody wrote it. BadInput for signs that are none, an unknown country, or a VAT number with a typing
    error.
    """
    found = {name: _line(name, text) for name, text in said.items()}
    found["country"] = found.get("country", "").upper()
    country = found["country"]
    from connector.core.formats import countries  # here: every command loads the settings, few this

    if country and country not in countries():
        raise BadInput("The country is two letters of ISO 3166, as in DE.")
    made = Party(**found)
    if lacking(made):
        raise BadInput("An invoice needs {lacking}.", lacking=listed(lacking(made)))
    vat_number = checked_vat_number(made.vat_number)
    return Party(**{**found, "vat_number": vat_number})


def checked_vat_number(text: str) -> str:
    """A VAT number without spaces, points and hyphens, with its country's letters; "" stays. BadInput if its check
    digits do not fit, where its country's rules are known.
    """
    typed = "".join(char for char in text if not char.isspace() and char not in ".-/").upper()
    if not typed:
        return ""
    if not re.fullmatch(r"[A-Z]{2}[A-Z0-9+*]{2,18}", typed):
        raise BadInput("A VAT number begins with two letters of its country, as in DE136695976.")
    from stdnum import exceptions, get_cc_module  # here: every command loads the settings, few this

    rules = get_cc_module(_RULES_OF.get(typed[:2], typed[:2].lower()), "vat")
    if rules is None:
        return typed
    for written in (typed, typed[2:]):  # some countries write it without their letters
        try:
            rules.validate(written)
        except exceptions.ValidationError:
            continue
        return typed
    raise BadInput("{typed} is not a VAT number of {typed_2}. Look for a typing error.", typed=typed, typed_2=typed[:2])


def checked_tax(kind: str, rate: int | None, reason: str, buyer: Party | None, seller: Party) -> Tax:
    """How a customer is taxed; a `rate` of None is the installation's. BadInput where the kind does not go with who
    sells and buys, or needs what is missing.
    """
    if kind not in TAXES:
        raise BadInput("{kind!r} is not a kind of tax. There are: {taxes}.", kind=kind[:20], taxes=", ".join(TAXES))
    if kind == "standard":
        if rate is not None and not 0 < rate <= MOST_RATE:
            raise BadInput("The rate of a tax is above 0 and at most 50 percent. Without tax, choose why.")
        return Tax(kind, rate or 0)
    if kind in ("reverse_charge", "outside"):
        if buyer is None:
            raise BadInput("Write the company's invoice address first.")
        if buyer.country == seller.country:
            raise BadInput("The customer is in the seller's country, where the standard tax is due.")
    if kind == "reverse_charge" and buyer is not None and not _of_eu(buyer):
        raise BadInput("For a reverse charge the customer's VAT number of a country of the European Union is needed.")
    if kind == "outside" and buyer is not None and buyer.country in EU and seller.country in EU:
        raise BadInput("The customer is in the European Union: there it is a reverse charge, or the standard tax.")
    more, words = _line("reason", reason), TAXES[kind][2]
    if words:
        extra = more.removeprefix(words).lstrip(". ")
        return Tax(kind, 0, f"{words}. {extra}" if extra else words)
    if not more:
        raise BadInput("Enter the reason why no tax is due. It appears on the invoice.")
    return Tax(kind, 0, more)


def _of_eu(buyer: Party) -> bool:
    begins = {"EL": "GR"}.get(buyer.vat_number[:2], buyer.vat_number[:2])
    return begins in EU or begins == "XI"


def rate_of(text: str) -> int:
    """`20`, `7.7` or `19.00` percent in hundredths of a percent. BadInput."""
    whole, _, part = text.strip().partition(".")
    if not (whole + part).isascii() or not (whole + part).isdigit() or len(whole) > 2 or len(part) > 2:
        raise BadInput("A rate is percent with at most two decimals, as in 20 or 7.7.")
    return int(whole or 0) * 100 + int(part.ljust(2, "0"))


def _line(name: str, text: str) -> str:
    made, most = " ".join(text.split()), _LONGEST_REASON if name == "reason" else _LONGEST
    if not made.isprintable() or len(made) > most:
        raise BadInput(
            "The {replace} has at most {most} printable characters.", replace=name.replace("_", " "), most=most
        )
    return made


def en16931(made: Document) -> dict[str, Any]:
    """A document by the terms of EN 16931-1 (BT-1 and so on), for a library that writes the file of them."""
    digits = minor_digits(made.currency)

    def sum_of(micros: int) -> str:
        """As it is written there."""
        return decimal(micros, digits)

    rate = {} if made.tax.kind == "outside" else {"BT-119": percent(made.tax.rate)}
    exempt = {} if made.tax.kind == "standard" else {"BT-120": made.tax.reason, "BT-121": made.tax.reason_code}
    breakdown = {
        "BT-116": sum_of(made.net_micros),
        "BT-117": sum_of(made.tax_micros),
        "BT-118": made.tax.code,
        **rate,
        **{name: text for name, text in exempt.items() if text},
    }
    line_rate = {} if made.tax.kind == "outside" else {"BT-152": percent(made.tax.rate)}
    found = {
        "BT-1": made.number,
        "BT-2": made.issued_on,
        "BT-3": CODES[made.kind],
        "BT-5": made.currency,
        "BT-24": "urn:cen.eu:en16931:2017",
        "BT-72": made.supplied_until,
        "BT-73": made.supplied_from,
        "BT-74": made.supplied_until,
        "BG-4": _party(made.seller, made.tax),
        "BG-7": _party(made.buyer, made.tax),
        "BT-106": sum_of(made.net_micros),
        "BT-109": sum_of(made.net_micros),
        "BT-110": sum_of(made.tax_micros),
        "BT-112": sum_of(made.gross_micros),
        "BT-113": sum_of(made.gross_micros),  # it was paid before, or is paid back
        "BT-115": sum_of(0),
        "BG-23": [breakdown],
        "BG-25": [
            {
                "BT-126": str(place),
                "BT-129": "-1" if line.micros < 0 else "1",
                "BT-130": "C62",  # one: UN/ECE recommendation 20
                "BT-131": sum_of(line.micros),
                "BT-146": sum_of(abs(line.micros)),
                "BT-151": made.tax.code,
                **line_rate,
                "BT-153": line.name,
            }
            for place, line in enumerate(made.lines, 1)
        ],
    }
    if made.about:
        found["BG-1"] = [{"BT-22": made.about}]
    if made.corrects is not None:
        found["BG-3"] = [{"BT-25": made.corrects[0], "BT-26": made.corrects[1]}]
    return found


def _party(party: Party, tax: Tax) -> dict[str, str]:
    # BR-O-02: what is not subject to VAT has no VAT number on its document; BR-CO-26: the seller has one of some kind.
    number = "legal_identifier" if tax.kind == "outside" else "vat_identifier"
    found = {
        "name": party.name,
        "addr_l1": party.street,
        "addr_l2": party.extra,
        "postcode": party.postcode,
        "city": party.city,
        "country_code": party.country,
        number: party.vat_number,
    }
    return {name: text for name, text in found.items() if text}
