"""The columns of rate sheets: how people call them, in several languages, and what their cells look like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from connector.core import layouts, tables, written_steps
from connector.core.layouts import Column, Layout, Question, Role, plain
from connector.core.written_days import AT_ONCE
from connector.words import marked, phrase

NO_PRICE = frozenset(
    "n/a na n.a. n.a - -- blocked block barred closed unavailable suspended gesperrt bloqueado bloque".split()
) | {"not available", "no service", "not offered", "not supported"}


def is_code(cell: str) -> bool:
    """Whether a cell can be a prefix, or several, or a range of some."""
    if tables.is_cut(cell):
        return True
    return re.fullmatch(r"['+]?\(?[0-9][0-9 ()+;,|./\nxX*-]*", cell.strip()) is not None and not re.fullmatch(
        r"0?\.[0-9]+|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|0", cell.strip()
    )


def _is_few_digits(cell: str) -> bool:
    return re.fullmatch(r"\+?[0-9]{1,4}", cell.strip()) is not None


def _is_price(cell: str) -> bool:
    text = cell.strip().lower()
    return text in NO_PRICE or (any(c.isdigit() for c in text) and len(text) <= 24 and not text.count(":"))


def _is_fraction(cell: str) -> bool:
    text = cell.strip()
    return text.lower() in NO_PRICE or re.search(r"[0-9]?[.,][0-9]+", text) is not None


def _is_words(cell: str) -> bool:
    return any(c.isalpha() for c in cell)


def _is_steps(cell: str) -> bool:
    if written_steps.pair(cell):
        return True
    return re.fullmatch(r"[0-9]{1,4}(?:\s*[/+:-]\s*[0-9]{1,4}){0,2}(?:\s+[0-9]+:[0-9]+)*", cell.strip()) is not None


def _is_seconds(cell: str) -> bool:
    return written_steps.seconds(cell) is not None


def _is_day(cell: str) -> bool:
    text = plain(cell)
    return text in AT_ONCE or (4 < len(text) <= 40 and any(c.isdigit() for c in text))


_UNSURE = frozenset(
    "change changes increase decrease old previous type id status group plan table difference diff percent name"
    " count number per100 effective date connect connection setup establishment minimum minimal time".split()
)
_PRICE_NAMES = (
    "price per minute", "price", "rate", "rate per minute", "price min", "price per min", "rate min", "rate per min",
    "cost", "cost per minute", "minute rate", "per minute", "per minute cost", "charge",
    "charge per minute", "tariff", "sell rate",
    "buy rate", "new rate", "new price", "default rate", "peak rate", "rate peak", "all day", "flat rate", "usd",
    "eur", "gbp", "rate initial", "usd min", "eur min", "gbp min", "preis", "minutenpreis", "preis pro minute",
    "tarif", "precio",
    "precio por minuto", "tarifa", "prix", "prix par minute", "prix min", "prezzo", "preco", "rate per second",
    "price per second", "rate sec", "price sec", "rate cents", "cents per minute", "price cents", "ct min",
)  # fmt: skip
JURISDICTIONS = (
    "interrate", "intrarate", "ijrate", "inter rate", "intra rate", "ij rate", "inter", "intra", "interstate",
    "intrastate", "indeterminate", "interstate rate", "intrastate rate", "indeterminate rate", "ij", "inter state",
    "intra state", "inter state rate", "intra state rate", "local", "local rate",
)  # fmt: skip

# What each is called to people.
COLUMNS = {
    "increments": marked("billing increments"),
    "prefix": marked("prefix"),
    "price_per_minute": marked("price per minute"),
    "name": marked("name of the destination"),
    "country": marked("country"),
    "country_code": marked("country code"),
    "area_code": marked("area code"),
    "exchange_code": marked("exchange code"),
    "unit": marked("unit of the price"),
    "connection_fee": marked("connection fee"),
    "first_increment": marked("first billing increment"),
    "next_increment": marked("next billing increment"),
    "valid_from": marked("valid from"),
    "valid_to": marked("valid until"),
    "kind": marked("kind of destination"),
    "currency": marked("currency"),
    "status": marked("status of the row"),
    "blocked": marked("whether it is blocked"),
}
# In the order in which columns without names are looked for: what can be confused with few others comes first.
_ROLES = (
    Role(
        "increments",
        ("increments", "increment", "billing increments", "billing increment", "billing", "billing interval", "takt",
         "taktung", "abrechnungstakt", "rounding", "interval", "charging interval", "pulse", "incremento",
         "incrementos", "facturacion", "cadence", "facturation", "scatti", "min incr", "min increment", "inc"),
        _is_steps,
        sure=True,
    ),
    Role(
        "prefix",
        ("prefix", "prefixes", "code", "codes", "dial code", "dial codes", "dialcode", "dialcodes", "dial prefix",
         "destination code", "destination codes", "dest code", "destination prefix", "npanxx", "npa nxx", "npa",
         "vorwahl", "vorwahlen", "rufnummernbereich", "prefijo", "prefijos", "codigo", "codigos", "indicatif",
         "indicatifs", "prefixe", "prefixo", "prefisso", "prefissi", "dialing code", "dialling code", "dialling codes",
         "dialing codes", "breakout", "breakouts", "digits", "number range", "number ranges", "route code", "lerg",
         "numbering plan", "e164", "dialprefix", "code range", "prefix range", "area codes", "phone code", "ld prefix"),
        is_code,
        needed=True,
        never=frozenset({"name", "status", "change", "type", "date"}),
    ),
    Role(
        "price_per_minute",
        (*_PRICE_NAMES, *JURISDICTIONS),
        _is_price,
        needed=True,
        many=True,
        never=_UNSURE,
    ),
    Role(
        "name",
        ("name", "destination", "destination name", "description", "destinations", "dest", "dest name", "zone",
         "zone name", "region", "route", "route name", "area name", "operator", "network", "ziel", "zielname",
         "bezeichnung", "beschreibung", "destino", "descripcion", "nombre", "destinazione", "descrizione", "location",
         "carrier", "product", "details"),
        _is_words,
    ),
    Role("country", ("country", "country name", "land", "pais", "pays", "nation", "paese"), _is_words),
    Role("country_code", ("country code", "countrycode", "cc", "country dial code", "landesvorwahl", "landervorwahl",
                          "codigo pais", "codigo de pais", "indicatif pays"), _is_few_digits),
    Role("exchange_code", ("nxx", "exchange", "exchange code"), _is_few_digits),
    Role("area_code", ("area code", "area", "city code", "areacode", "citycode", "national code", "ndc", "ac",
                       "ortsvorwahl", "codigo area", "codigo de area", "city codes"), is_code),
    Role(
        "connection_fee",
        ("connection fee", "connect fee", "connection charge", "connect charge", "setup fee", "setup", "setup charge",
         "per call", "call fee", "per call fee", "per call charge", "surcharge", "call setup", "connection", "connect",
         "connection cost", "verbindungsgebuhr", "verbindungspreis", "establecimiento", "mise en relation",
         "cost per call", "price per call", "flag fall"),
        _is_price,
        sure=True,
    ),
    Role("first_increment", ("first increment", "initial increment", "initial", "first interval", "interval 1",
                                     "minimum", "min duration", "minimum duration", "duration",
                   "min time", "min",
                   "billing min", "initial interval", "initial period", "first period", "first block",
                   "init block", "min seconds"),
         _is_seconds, sure=True, never=frozenset({"fee", "charge", "price", "cost"})),
    Role("next_increment", ("next increment", "sub increment", "subsequent increment", "next interval", "interval n",
                  "additional increment", "additional", "subsequent", "following increment", "second increment",
                  "interval 2", "increment n", "sub sequent", "next period", "subsequent period", "next block",
                  "billing block"),
         _is_seconds, sure=True, never=frozenset({"fee", "charge", "price", "cost"})),
    Role(
        "valid_from",
        ("valid from", "effective date", "effective", "effective from", "start date", "date", "date effective",
         "effectivedate", "activation date", "from date", "from", "valid since", "gultig ab", "gueltig ab", "ab",
         "datum", "fecha", "fecha efectiva", "vigencia", "valido desde", "fecha de inicio", "date effet",
         "date d effet", "valable des", "data", "decorrenza", "start", "begin date", "effective time"),
        _is_day,
        sure=True,
    ),
    Role(
        "valid_to",
        ("valid to", "end date", "valid until", "valid till", "expiry", "expiry date", "expires", "effective to",
         "expiration date", "termination date", "gultig bis", "gueltig bis", "bis", "hasta", "valido hasta",
         "fecha fin", "date fin", "until", "to date", "end"),
        _is_day,
        sure=True,
    ),
    Role("kind", ("kind",)),
    Role("unit", ("unit", "units", "rate unit", "price unit", "einheit", "unidad")),
    Role("currency", ("currency", "ccy", "cur", "currency code", "wahrung", "waehrung", "moneda", "devise", "valuta")),
    Role("status", ("status", "change", "changes", "change type", "action", "code status", "rate change", "state",
                    "anderung", "cambio", "change status", "rate status", "estado", "comment", "comments", "remark",
                    "remarks", "note", "notes"), many=True),
    Role("blocked", ("blocked", "is blocked", "gesperrt", "bloqueado", "barred")),
)  # fmt: skip
ROLES = tuple(replace(role, words=COLUMNS[role.key]) for role in _ROLES)
# Whatever a row has besides its prefixes, its names and its prices.
TERMS = (
    "connection_fee",
    "increments",
    "first_increment",
    "next_increment",
    "valid_from",
    "valid_to",
    "kind",
    "status",
    "blocked",
)
# Without a header these are found by what is in them, in this order.
_BY_CELLS = ("valid_from", "increments", "price_per_minute", "prefix", "name", "first_increment", "next_increment")


def found(table: tables.Table, answers: Mapping[str, str]) -> Layout:
    """The columns; where a column of areas comes behind one of countries, or two of increments stand beside each
    other, they are taken together.
    """
    layout = layouts.found(table, "the rate deck", ROLES, answers)
    if layout.named:
        return _together(layout, answers)
    by_key = {role.key: role for role in ROLES}
    roles = [by_key[key] for key in _BY_CELLS]
    strict = {
        "price_per_minute": _is_fraction,
        "increments": lambda cell: "/" in cell and _is_steps(cell),
        "valid_from": _is_date,
    }
    only = [replace(role, fits=strict.get(role.key, role.fits)) for role in roles]
    return layouts.found(table, "the rate deck", only, answers)


def _is_date(cell: str) -> bool:
    """Whether a cell without a name is a day, and not a number."""
    return re.search(r"[0-9][./-][0-9A-Za-z]{1,9}[./-][0-9]{2}", cell) is not None


def _together(layout: Layout, answers: Mapping[str, str]) -> Layout:
    columns = dict(layout.columns)
    questions = list(layout.questions)
    has_country_code = "country_code" in columns
    if "prefix" not in columns and "column.prefix" not in answers:
        alone = columns.pop("country_code", None) or columns.pop("area_code", None)
        if has_country_code and "area_code" in columns:
            columns["country_code"] = alone or ()
            columns["prefix"] = columns.pop("area_code")
        elif alone:
            columns["prefix"] = alone
        questions = [question for question in questions if question.key != "column.prefix" or not alone]
    elif has_country_code and "area_code" in columns and columns["prefix"][0].confidence != layouts.EXACT:
        columns.pop("area_code")
    if "first_increment" in columns and "next_increment" not in columns and "increments" in columns:
        columns["next_increment"] = columns.pop("increments")
    if "name" not in columns and "country" in columns:
        columns["name"] = columns.pop("country")
    prices = columns.get("price_per_minute", ())
    if len(prices) > 1 and not all(_BETWEEN_STATES & set(plain(column.name).split()) for column in prices):
        columns["price_per_minute"], question = _one_price(prices)
        questions += question
    return replace(layout, columns=columns, questions=tuple(questions))


_BETWEEN_STATES = {word for name in JURISDICTIONS for word in name.split()} - {"rate", "local", "state"}


def _one_price(prices: Sequence[Column]) -> tuple[tuple[Column, ...], list[Question]]:
    """Of several columns of prices the one that counts: the new one, or that which is named best; or a question."""
    new = [column for column in prices if "new" in plain(column.name).split()]
    best = [column for column in prices if column.confidence == prices[0].confidence]
    if len(new) == 1:
        return tuple(new), []
    if len(best) == 1 and best[0].confidence == layouts.EXACT:
        return tuple(best), []
    choices = tuple((column.name, phrase("column {number}", number=column.at + 1)) for column in prices)
    return tuple(best[:1]), [
        Question("column.price_per_minute", marked("Several columns have prices. Which one counts?"), choices)
    ]
