"""The tables of the store, as Peewee models. Their history is in `migrations/`; a test holds the two together.

Times are milliseconds since 1970 UTC. Rows are made and read by the other modules of this package only.
"""

from __future__ import annotations

from peewee import (
    SQL,
    AutoField,
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    Check,
    CompositeKey,
    DatabaseProxy,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)

database = DatabaseProxy()


class Table(Model):
    """Base of all tables: bound to whichever store is open."""

    class Meta:
        database = database
        legacy_table_names = False


class Company(Table):
    """Who pays: one balance, one currency, one time zone (of its calendar days)."""

    id = AutoField()
    name = TextField(unique=True)
    currency = TextField()
    time_zone = TextField()
    created_at = BigIntegerField()


class Profile(Table):
    """A SIP profile. Of role `server` its PBX signs in to us: by `digest`, which is HA1 for `username` and `realm`,
    sealed (the password itself is kept nowhere), or by the `address` and `port` that it calls from. Of role `client`
    the PBX is this Asterisk, and its trunk (`Trunk.profile_id`) signs in to the provider.

    `old_digest` is good until `old_until`, after a rotation. `options` are those of core/sip.py, as JSON. `state` is
    what an operator wants, beside the subscription's `status`; `sip_version` grows with each change of what is
    generated. `country`: whose numbers its phones dial; `emergency`:
    its emergency numbers, if they are not the country's. `caller_policy` and those beside it: core/callers.py.
    `billing_address` and `contact` are for people.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    name = TextField()
    role = TextField(constraints=[Check("role IN ('client', 'server')")])
    auth = TextField(constraints=[Check("auth IN ('registration', 'ip')")])
    username = TextField(unique=True)
    realm = TextField()
    digest = TextField()
    channels = IntegerField(constraints=[Check("channels BETWEEN 0 AND 300")])
    status = TextField(constraints=[Check("status IN ('inactive', 'active', 'suspended', 'cancelling', 'archived')")])
    created_at = BigIntegerField()
    address = TextField(null=True)
    port = IntegerField(null=True, constraints=[Check("port BETWEEN 1 AND 65535")])
    old_digest = TextField(null=True)
    old_until = BigIntegerField(null=True)
    options = TextField(constraints=[SQL("DEFAULT '{}'")])
    state = TextField(constraints=[SQL("DEFAULT 'open'"), Check("state IN ('open', 'draining', 'suspended')")])
    sip_version = IntegerField(constraints=[SQL("DEFAULT 1")])
    country = TextField(null=True)
    emergency = TextField(null=True)
    caller_policy = TextField(constraints=[SQL("DEFAULT 'pass'"), Check("caller_policy IN ('none', 'fixed', 'pass')")])
    caller_number = TextField(null=True)
    caller_foreign = TextField(constraints=[SQL("DEFAULT 'replace'"), Check("caller_foreign IN ('replace', 'refuse')")])
    billing_address = TextField(constraints=[SQL("DEFAULT ''")])
    contact = TextField(constraints=[SQL("DEFAULT ''")])
    withhold_prefixes = TextField(constraints=[SQL("DEFAULT ''")])

    class Meta:
        indexes = ((("company", "name"), True),)


class Trunk(Table):
    """A way to a carrier, or, with `profile_id`, of a client profile to its provider. Whoever is there is known by its
    address and port; with `auth` registration we register there as `username`, whose password is `secret`, sealed.

    Calls try the trunks of a company by `place`; those of one place have calls by `share`. `failover` are the SIP
    answers after which the next trunk is tried.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    name = TextField(unique=True)
    host = TextField()
    port = IntegerField(constraints=[Check("port BETWEEN 1 AND 65535")])
    created_at = BigIntegerField()
    profile_id = IntegerField(null=True, unique=True, constraints=[SQL('REFERENCES "profile" ("id")')])
    auth = TextField(constraints=[SQL("DEFAULT 'ip'"), Check("auth IN ('registration', 'ip')")])
    username = TextField(constraints=[SQL("DEFAULT ''")])
    realm = TextField(constraints=[SQL("DEFAULT ''")])
    secret = TextField(null=True)
    options = TextField(constraints=[SQL("DEFAULT '{}'")])
    state = TextField(
        constraints=[SQL("DEFAULT 'open'"), Check("state IN ('open', 'draining', 'suspended', 'archived')")]
    )
    sip_version = IntegerField(constraints=[SQL("DEFAULT 1")])
    place = IntegerField(constraints=[SQL("DEFAULT 1"), Check("place BETWEEN 1 AND 100")])
    share = IntegerField(constraints=[SQL("DEFAULT 1"), Check("share BETWEEN 1 AND 1000")])
    failover = TextField(constraints=[SQL("DEFAULT '408 500 502 503 504'")])


class Number(Table):
    """A number that a company has, in E.164, until `released_at`; calls to it go to its profile, by its route (the text
    of core/routes.py; "" is the PBX itself). Who has it later has a row of their own.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    e164 = TextField()
    created_at = BigIntegerField()
    route = TextField(constraints=[SQL("DEFAULT ''")])
    released_at = BigIntegerField(null=True)

    class Meta:
        indexes = (SQL("CREATE UNIQUE INDEX number_held ON number (e164) WHERE released_at IS NULL"),)


class Stock(Table):
    """A number that can be bought, unless a company has it: its country, area code, and fee for a term of 30 days."""

    e164 = TextField(primary_key=True)
    country = TextField()
    area = TextField()
    fee_micros = BigIntegerField(constraints=[Check("fee_micros >= 0")])
    currency = TextField()
    imported_at = BigIntegerField()

    class Meta:
        indexes = ((("country", "area"), False),)


class Verified(Table):
    """A number that a company does not have here, and may show as its own: by which evidence."""

    id = AutoField()
    company = ForeignKeyField(Company)
    e164 = TextField()
    evidence = TextField()
    verified_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "e164"), True),)


class Hours(Table):
    """Times that a company has a name for, as the text of core/hours.py; in its own time zone."""

    id = AutoField()
    company = ForeignKeyField(Company)
    name = TextField()
    periods = TextField()

    class Meta:
        indexes = ((("company", "name"), True),)


class Department(Table):
    """A route that a company has a name for: others go on to it."""

    id = AutoField()
    company = ForeignKeyField(Company)
    name = TextField()
    route = TextField()

    class Meta:
        indexes = ((("company", "name"), True),)


class InboundAccount(Table):
    """An account: a name that is called, as `sip:NAME@host`, and rings at a profile by its route."""

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    name = TextField(unique=True)
    route = TextField()
    created_at = BigIntegerField()


class Button(Table):
    """A call button: who has its link, with the `token` in it, calls an account from a browser; `most` at once."""

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    account = ForeignKeyField(InboundAccount)
    account_id: int
    name = TextField()
    token = TextField(unique=True)
    most = IntegerField(constraints=[Check("most BETWEEN 1 AND 300")])
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "name"), True),)


class Mailbox(Table):
    """A box for voice mail. `pin` is sealed; "" for `email`: nobody is written to."""

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    box = TextField()
    name = TextField()
    email = TextField()
    pin = TextField()
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "box"), True),)


class EmergencyCall(Table):
    """A call to an emergency number, which passes no gate: by whom, and what the dialplan did with it."""

    id = TextField(primary_key=True)
    node = TextField()
    profile = ForeignKeyField(Profile, null=True)
    dialled = TextField()
    outcome = TextField()
    at = BigIntegerField(index=True)


class Call(Table):
    """A live call: the row is the channel in use, and it goes when the call ends. There is no counter that could leak.

    `slot` says which of the profile's channels it is: unique per profile, and a trigger refuses a slot above the number
    bought, so that the store itself cannot be oversold. `seen_at` is the last moment the call was known alive; `epoch`
    is when its node's Asterisk had started, which it cannot outlive. `guard_s` is how long Asterisk's timer lets it
    talk, if nothing more is held for it; `dead_at` when that was over while its node was away: its channel is free.
    `button`: the name of the call button that it came by, and then it has no trunk. `sip_id`: the Call-ID of its gate
    leg. `routing`: which trunks it tries, and why, as the text of core/trunks.py.
    """

    id = TextField(primary_key=True)
    node = TextField()
    profile = ForeignKeyField(Profile)
    profile_id: int
    slot = IntegerField(constraints=[Check("slot BETWEEN 1 AND 300")])
    direction = TextField(constraints=[Check("direction IN ('in', 'out')")])
    caller_id = TextField()
    dialled = TextField()
    called = TextField()
    trunk = ForeignKeyField(Trunk, null=True)
    trunk_id: int | None
    gate_leg = TextField()
    other_leg = TextField(null=True)
    transferred = BooleanField()
    started_at = BigIntegerField()
    answered_at = BigIntegerField(null=True)
    seen_at = BigIntegerField()
    epoch = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    guard_s = IntegerField(constraints=[SQL("DEFAULT 86400")])
    dead_at = BigIntegerField(null=True)
    shown = TextField(null=True)
    forwarded = TextField(constraints=[SQL("DEFAULT ''")])
    button = TextField(constraints=[SQL("DEFAULT ''")])
    sip_id = TextField(constraints=[SQL("DEFAULT ''")])
    routing = TextField(constraints=[SQL("DEFAULT ''")], default="")

    class Meta:
        indexes = (SQL("CREATE UNIQUE INDEX call_slot ON call (profile_id, slot) WHERE dead_at IS NULL"),)


class Cdr(Table):
    """What became of one attempt, priced. `profile` and `trunk` are null where a refused call reached none, and `trunk`
    where it came by a call `button`.

    `company_id`: whose it is, its profile's, its trunk's or its button's. `duration_ms` runs from answer to hang-up.
    `shown`: the caller ID that the far side sees, "" for none; null where nobody was called. `forwarded`: what was
    called, where the call out is its forward. `price_micros` is null for a refused call, 0 for a call in. `booked_at`:
    when the ledger has its charge; its day and month in reports. `offered_micros`: what a minute of a refused call
    would have cost. `sip_status`: the far end's last SIP answer; null for none. `hung_up_by`: caller, callee
    or us, with the reason behind it (core/calls.py); "" where that is not known. `routing`: as of a call.
    """

    id = TextField(primary_key=True)
    node = TextField()
    profile = ForeignKeyField(Profile, null=True)
    direction = TextField(constraints=[Check("direction IN ('in', 'out')")])
    caller_id = TextField()
    dialled = TextField()
    called = TextField(null=True)
    trunk = ForeignKeyField(Trunk, null=True)
    gate_leg = TextField()
    other_leg = TextField(null=True)
    started_at = BigIntegerField()
    answered_at = BigIntegerField(null=True)
    ended_at = BigIntegerField(index=True)
    duration_ms = BigIntegerField(constraints=[Check("duration_ms >= 0")])
    cause = IntegerField()
    ending = TextField(
        constraints=[Check("ending IN ('ok','refused','busy','no_answer','cut_off','media_lost','failed','estimated')")]
    )
    refusal = TextField(null=True)
    price_micros = BigIntegerField(null=True)
    shown = TextField(null=True)
    forwarded = TextField(constraints=[SQL("DEFAULT ''")])
    company_id = IntegerField(null=True)
    booked_at = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    offered_micros = BigIntegerField(null=True)
    button = TextField(constraints=[SQL("DEFAULT ''")])
    sip_status = IntegerField(null=True)
    hung_up_by = TextField(constraints=[SQL("DEFAULT ''")])
    routing = TextField(constraints=[SQL("DEFAULT ''")], default="")

    class Meta:
        indexes = (
            SQL("CREATE INDEX cdr_company_ended ON cdr (company_id, ended_at)"),
            SQL("CREATE INDEX cdr_profile_ended ON cdr (profile_id, ended_at)"),
            SQL("CREATE INDEX cdr_profile_started ON cdr (profile_id, started_at)"),
        )


class Media(Table):
    """How a call sounded when it was measured last: the MOS of its worst direction in hundredths, and its legs as JSON
    (core/media.py). Few calls have none: those that were short, and some where there are many.
    """

    call_id = TextField(primary_key=True)
    at = BigIntegerField()
    mos = IntegerField()
    legs = TextField()


class CallDay(Table):
    """Calls of a profile on a day, added up; of profile 0: of the whole company. `blocked` of those refused found all
    channels in use. billing/usage.py keeps it.
    """

    company_id = IntegerField()
    day = TextField()
    profile_id = IntegerField()
    calls_out = BigIntegerField()
    calls_in = BigIntegerField()
    refused = BigIntegerField()
    blocked = BigIntegerField()
    duration_ms = BigIntegerField()
    billed_s = BigIntegerField()
    bundle_s = BigIntegerField()
    price_micros = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("company_id", "day", "profile_id")


class DestinationMonth(Table):
    """Calls out of a profile (0: of the whole company) in a month to one destination, the name of a rate, by payer."""

    company_id = IntegerField()
    month = TextField()
    profile_id = IntegerField()
    destination = TextField()
    payer = TextField()
    calls = BigIntegerField()
    answered = BigIntegerField()
    duration_ms = BigIntegerField()
    billed_s = BigIntegerField()
    bundle_s = BigIntegerField()
    price_micros = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("company_id", "month", "profile_id", "destination", "payer")


class RefusalMonth(Table):
    """Calls of a profile (0: of none) that were refused in a month for one reason; what a minute of each would have
    cost, together.
    """

    company_id = IntegerField()
    month = TextField()
    profile_id = IntegerField()
    refusal = TextField()
    calls = BigIntegerField()
    offered_micros = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("company_id", "month", "profile_id", "refusal")


class ChannelHour(Table):
    """Channels of a profile in an hour of UTC: the most in use after an admission in it, how many of the calls that are
    over were up when it began, and how long all of them were taken.
    """

    profile_id = IntegerField()
    hour_at = BigIntegerField()
    peak = IntegerField()
    carried = IntegerField()
    busy_ms = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("profile_id", "hour_at")


class PriceList(Table):
    """What a company pays for a term of one channel and of one bundle, in micros."""

    company = ForeignKeyField(Company, primary_key=True)
    channel_micros = BigIntegerField(constraints=[Check("channel_micros >= 0")])
    bundle_micros = BigIntegerField(constraints=[Check("bundle_micros >= 0")])


class Account(Table):
    """A balance of the ledger: the sum of its postings, kept by a trigger on them, and never below zero.

    What is held stands in an account of its own, taken out of the free balance: more can never be held than was there.
    """

    name = TextField(primary_key=True)
    company = ForeignKeyField(Company)
    company_id: int
    purpose = TextField()
    asset = TextField(constraints=[Check("asset IN ('money', 'seconds')")])
    balance = BigIntegerField(
        constraints=[
            Check("balance >= 0 OR purpose IN ('outside', 'seconds_sold', 'payable')"),
            Check("balance BETWEEN -4000000000000000000 AND 4000000000000000000"),
        ]
    )


class Entry(Table):
    """One event of the ledger. Triggers refuse to change or delete it. `hash` covers it and the entry before."""

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    number = BigIntegerField()
    key = TextField(unique=True)
    kind = TextField()
    at = BigIntegerField()
    about = TextField()
    hash = TextField()

    class Meta:
        indexes = (
            (("company", "number"), True),
            SQL("CREATE INDEX entry_recharges ON entry (company_id, at) WHERE kind = 'recharge'"),
            SQL("CREATE INDEX entry_not_of_calls ON entry (company_id, at) WHERE kind NOT IN ('hold', 'settle')"),
        )


class Posting(Table):
    """One line of an entry: what one account gains or loses. Triggers refuse to change or delete it."""

    id = AutoField()
    entry = ForeignKeyField(Entry)
    entry_id: int
    account = ForeignKeyField(Account)
    account_id: str
    amount = BigIntegerField(constraints=[Check("amount <> 0")])

    class Meta:
        indexes = ((("entry", "account"), True),)


class Payment(Table):
    """A payment of a company, by its provider and the number that it has there; `recorded`: by a person, who said so.

    Of what was received, `taken_back_micros` left the balance again, and `owed_micros` leaves it when money comes in.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    provider = TextField()
    number = TextField()
    state = TextField(constraints=[Check("state IN ('announced', 'received', 'failed')")])
    amount_micros = BigIntegerField(constraints=[Check("amount_micros > 0")])
    taken_back_micros = BigIntegerField(constraints=[SQL("DEFAULT 0"), Check("taken_back_micros >= 0")])
    owed_micros = BigIntegerField(constraints=[SQL("DEFAULT 0"), Check("owed_micros >= 0")])
    reference = TextField(constraints=[SQL("DEFAULT ''")])
    received_on = TextField(constraints=[SQL("DEFAULT ''")])
    why = TextField(constraints=[SQL("DEFAULT ''")])
    noted_at = BigIntegerField()
    changed_at = BigIntegerField()

    class Meta:
        constraints = (Check("taken_back_micros + owed_micros <= amount_micros"),)
        indexes = (
            (("provider", "number"), True),
            SQL("CREATE INDEX payment_owed ON payment (company_id) WHERE owed_micros > 0"),
        )


class PaymentEvent(Table):
    """What a provider or a person said of a payment, by the event's own number: told again, it changes nothing."""

    id = AutoField()
    payment = ForeignKeyField(Payment)
    event = TextField()
    kind = TextField()
    amount_micros = BigIntegerField()
    at = BigIntegerField()
    why = TextField(constraints=[SQL("DEFAULT ''")])

    class Meta:
        indexes = ((("payment", "event"), True), (("event",), False))


class Buyer(Table):
    """Whom a company's invoices are written to: a party of core/invoices.py as JSON, "" if it is not known yet.
    `tax_rate` in hundredths of a percent; null: the installation's. `language` is that of its invoices; "": English.
    """

    id = AutoField()
    company = ForeignKeyField(Company, unique=True)
    company_id: int
    party = TextField(constraints=[SQL("DEFAULT ''")])
    tax_kind = TextField(constraints=[SQL("DEFAULT 'standard'")])
    tax_rate = IntegerField(null=True)
    tax_reason = TextField(constraints=[SQL("DEFAULT ''")])
    language = TextField(constraints=[SQL("DEFAULT ''")])


class InvoiceSeries(Table):
    """A series of invoice numbers, and the last one that was given."""

    series = TextField(primary_key=True)
    last = IntegerField()


class InvoiceRestart(Table):
    """One row after a restore from a backup, which does not know the numbers that were given after it: numbers are of
    another series since then, which has the time in its name.
    """

    id = IntegerField(primary_key=True)
    at = BigIntegerField()


class Invoice(Table):
    """An invoice or credit note, as it was issued: `document` is that of core/invoices.py as JSON. Triggers refuse to
    change or delete it.

    With the tax point `payment` it is of the ledger's `entry`; with `use` it is of all that was charged up to the end
    of `month`, in whole coins, and `left_micros` go to the next one. Credit notes of one entry or month may be several,
    one for each document that they correct.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    series = TextField()
    number = IntegerField(constraints=[Check("number > 0")])
    kind = TextField(constraints=[Check("kind IN ('invoice', 'prepayment', 'credit note')")])
    tax_point = TextField(constraints=[Check("tax_point IN ('payment', 'use')")])
    issued_at = BigIntegerField()
    entry = ForeignKeyField(Entry, null=True)
    entry_id: int | None
    month = TextField(null=True)
    corrects = ForeignKeyField("self", null=True)
    net_micros = BigIntegerField()
    tax_micros = BigIntegerField()
    gross_micros = BigIntegerField(constraints=[Check("gross_micros > 0")])
    left_micros = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    document = TextField()

    class Meta:
        constraints = (Check("gross_micros = net_micros + tax_micros"),)
        indexes = (
            (("series", "number"), True),
            (("company", "month"), False),
            SQL("CREATE UNIQUE INDEX invoice_of_entry ON invoice (entry_id) WHERE corrects_id IS NULL"),
            SQL(
                "CREATE UNIQUE INDEX invoice_of_month ON invoice (company_id, month)"
                " WHERE corrects_id IS NULL AND month IS NOT NULL"
            ),
        )


class Closing(Table):
    """A month of a company's ledger, closed: its last entry, and every balance then. Nothing is entered before it."""

    id = AutoField()
    company = ForeignKeyField(Company)
    month = TextField()
    until_at = BigIntegerField()
    last_number = BigIntegerField()
    last_hash = TextField()
    balances = TextField()
    closed_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "month"), True),)


class Deck(Table):
    """A rate deck, as text (zlib). The company's deck in use is the latest by `in_use_at`, then `id`, of those without
    a trunk; with `trunk_id` it is a cost deck: what the carrier there takes, in its `currency` ("": the company's).
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    name = TextField()
    version = TextField()
    rates = IntegerField()
    content = BlobField()
    loaded_at = BigIntegerField()
    in_use_at = BigIntegerField()
    trunk_id = IntegerField(null=True, constraints=[SQL('REFERENCES "trunk" ("id")')])
    currency = TextField(constraints=[SQL("DEFAULT ''")], default="")

    class Meta:
        indexes = (
            (("company", "in_use_at"), False),
            # All of a row but its content, behind which SQLite does not look for the rest.
            SQL("CREATE INDEX deck_whose ON deck (company_id, trunk_id, in_use_at, version, currency)"),
        )


class ExchangeRate(Table):
    """From `from_at` on, one unit of a `currency` is `numerator` / `denominator` of another, the `target`."""

    id = AutoField()
    currency = TextField()
    target = TextField()
    numerator = BigIntegerField(constraints=[Check("numerator > 0")])
    denominator = BigIntegerField(constraints=[Check("denominator > 0")])
    from_at = BigIntegerField()
    set_at = BigIntegerField()

    class Meta:
        indexes = ((("currency", "target", "from_at"), True),)


class MarginFloor(Table):
    """What a call of a company, or of one profile of it, has to leave over its cost: in hundredths of a percent of its
    price, and in micros a minute.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    hundredths = IntegerField(constraints=[Check("hundredths BETWEEN 0 AND 10000")])
    per_minute_micros = BigIntegerField(constraints=[Check("per_minute_micros >= 0")])

    class Meta:
        indexes = (SQL("CREATE UNIQUE INDEX margin_floor_one ON margin_floor (company_id, COALESCE(profile_id, 0))"),)


class Limits(Table):
    """What a profile may spend and dial. Null is no limit."""

    profile = ForeignKeyField(Profile, primary_key=True)
    price_per_minute_micros = BigIntegerField(null=True)
    call_micros = BigIntegerField(null=True)
    day_micros = BigIntegerField(null=True)
    month_micros = BigIntegerField(null=True)
    calls_per_second = IntegerField(null=True)
    attempts_per_number = IntegerField(null=True)
    uses_company_balance = BooleanField()


class PrefixRule(Table):
    """A prefix that a profile may dial, or may not; the longest one for a number decides."""

    id = AutoField()
    profile = ForeignKeyField(Profile)
    prefix = TextField()
    allowed = BooleanField()

    class Meta:
        indexes = ((("profile", "prefix"), True),)


class ServiceNumber(Table):
    """A short number that a profile may call, like 101, with its price (core/service_numbers.py)."""

    id = AutoField()
    profile = ForeignKeyField(Profile)
    digits = TextField()
    name = TextField()
    price_per_minute_micros = BigIntegerField(constraints=[Check("price_per_minute_micros >= 0")])
    connection_fee_micros = BigIntegerField(constraints=[Check("connection_fee_micros >= 0")])

    class Meta:
        indexes = ((("profile", "digits"), True),)


class Recharge(Table):
    """Auto-recharge: when a profile's free credit falls below the threshold, the amount comes from its company."""

    profile = ForeignKeyField(Profile, primary_key=True)
    amount_micros = BigIntegerField(constraints=[Check("amount_micros > 0")])
    threshold_micros = BigIntegerField(constraints=[Check("threshold_micros > 0")])
    monthly_limit_micros = BigIntegerField(null=True)


class CardRecharge(Table):
    """Auto-recharge of a company: when its balance falls below the threshold, the amount is charged to its card.

    `word` is the setting's own: a card is kept for it alone. `customer` and `method` are Stripe's numbers, "" before a
    card was given, which it said at `card_at`; `card` is what people call it. `parked` (core/recharges.py): nothing is
    charged until somebody acts.
    """

    company = ForeignKeyField(Company, primary_key=True)
    company_id: int
    word = TextField(unique=True)
    amount_micros = BigIntegerField(constraints=[Check("amount_micros > 0")])
    threshold_micros = BigIntegerField(constraints=[Check("threshold_micros > 0")])
    monthly_limit_micros = BigIntegerField(constraints=[Check("monthly_limit_micros >= amount_micros")])
    customer = TextField(constraints=[SQL("DEFAULT ''")])
    method = TextField(constraints=[SQL("DEFAULT ''")])
    card = TextField(constraints=[SQL("DEFAULT ''")])
    card_at = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    parked = TextField(
        constraints=[SQL("DEFAULT ''"), Check("parked IN ('', 'confirm', 'refused', 'unknown', 'taken_back')")]
    )
    why = TextField(constraints=[SQL("DEFAULT ''")])
    parked_at = BigIntegerField(null=True)
    made_at = BigIntegerField()


class CardCharge(Table):
    """What a company's card is charged with. It is `asked` for, again at `next_at`, with the same `key`; `taken`, when
    Stripe says so; and `received`, when its event has credited the payment of that `number`. Or it is `refused`; or
    `unknown`, for Stripe did not say it for too long.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    key = TextField(unique=True)
    amount_micros = BigIntegerField(constraints=[Check("amount_micros > 0")])
    customer = TextField()
    method = TextField()
    state = TextField(constraints=[Check("state IN ('asked', 'taken', 'received', 'refused', 'unknown')")])
    number = TextField(constraints=[SQL("DEFAULT ''")])
    why = TextField(constraints=[SQL("DEFAULT ''")])
    tries = IntegerField(constraints=[SQL("DEFAULT 0")])
    next_at = BigIntegerField()
    made_at = BigIntegerField()
    changed_at = BigIntegerField()

    class Meta:
        indexes = (
            SQL("CREATE UNIQUE INDEX card_charge_open ON card_charge (company_id) WHERE state IN ('asked', 'taken')"),
            SQL("CREATE INDEX card_charge_made ON card_charge (company_id, made_at)"),
        )


class Term(Table):
    """What was sold, from when to when: channels and bundles of a profile, or a number. At most one runs for each.

    `ends_at` is the end that was paid for; `closed_at` when it ended (by its end, a change, or the profile's deletion).
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    number = ForeignKeyField(Number, null=True)
    number_id: int | None
    channels = IntegerField(constraints=[Check("channels BETWEEN 0 AND 300")])
    bundles = IntegerField(constraints=[Check("bundles BETWEEN 0 AND channels")])
    price_micros = BigIntegerField(constraints=[Check("price_micros >= 0")])
    bundles_price_micros = BigIntegerField(constraints=[Check("bundles_price_micros >= 0")])
    periods = IntegerField(constraints=[Check("periods BETWEEN 1 AND 12")])
    starts_at = BigIntegerField()
    ends_at = BigIntegerField(index=True)
    renews = BooleanField()
    closed_at = BigIntegerField(null=True)

    class Meta:
        indexes = (
            SQL("CREATE UNIQUE INDEX term_one_profile ON term (profile_id) WHERE closed_at IS NULL"),
            SQL("CREATE UNIQUE INDEX term_one_number ON term (number_id) WHERE closed_at IS NULL"),
        )


class Notice(Table):
    """Something that the people of a company have to be told once: `key` says which once."""

    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    kind = TextField()
    key = TextField(unique=True)
    text = TextField()
    at = BigIntegerField()


class Hold(Table):
    """What a live call out holds, and the rate that is pinned to it. Goes with the call. `cost`: what it costs us, as
    the text of core/costs.py, once it is answered; "" for not known.

    `bundle_s` seconds are held in the term's account, `micros` (the price of `paid_s`) in the payer's.
    """

    call = ForeignKeyField(Call, primary_key=True)
    call_id: str
    payer = TextField(constraints=[Check("payer IN ('profile', 'company', 'bundle')")])
    term = ForeignKeyField(Term, null=True)
    term_id: int | None
    deck = ForeignKeyField(Deck)
    deck_id: int
    prefix = TextField()
    rate_name = TextField()
    price_per_minute_micros = BigIntegerField()
    connection_fee_micros = BigIntegerField()
    increments = TextField()
    bundle_s = IntegerField(constraints=[Check("bundle_s >= 0")])
    paid_s = IntegerField(constraints=[Check("paid_s >= 0")])
    micros = BigIntegerField(constraints=[Check("micros >= 0")])
    cost = TextField(constraints=[SQL("DEFAULT ''")], default="")


class TrunkOrder(Table):
    """In which order the calls of a company, or of one profile of it, try trunks (core/trunks.py)."""

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    policy = TextField(constraints=[Check("policy IN ('fixed', 'cost', 'share')")])

    class Meta:
        indexes = (SQL("CREATE UNIQUE INDEX trunk_order_one ON trunk_order (company_id, COALESCE(profile_id, 0))"),)


class Cost(Table):
    """What a call costs: the rate of its trunk's cost deck that was pinned at the answer, the seconds and the sum in
    the carrier's `currency`, and the same sum in the company's, by the exchange rate of the answer.
    """

    cdr = ForeignKeyField(Cdr, primary_key=True)
    trunk = ForeignKeyField(Trunk)
    trunk_id: int
    deck = ForeignKeyField(Deck)
    deck_id: int
    prefix = TextField()
    rate_name = TextField()
    price_per_minute_micros = BigIntegerField()
    connection_fee_micros = BigIntegerField()
    increments = TextField()
    currency = TextField()
    numerator = BigIntegerField()
    denominator = BigIntegerField()
    billed_s = IntegerField()
    carrier_micros = BigIntegerField()
    cost_micros = BigIntegerField()


class MarginMonth(Table):
    """Answered calls out of a profile in a month by one trunk to one destination. `costed` of them have a cost: they
    were sold for `costed_price_micros` together. billing/usage.py keeps it, for companies that have a cost deck.
    """

    company_id = IntegerField()
    month = TextField()
    profile_id = IntegerField()
    trunk_id = IntegerField()
    destination = TextField()
    calls = BigIntegerField()
    costed = BigIntegerField()
    duration_ms = BigIntegerField()
    bundle_s = BigIntegerField()
    price_micros = BigIntegerField()
    costed_price_micros = BigIntegerField()
    cost_micros = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("company_id", "month", "profile_id", "trunk_id", "destination")


class Charge(Table):
    """How the price of a CDR came about: the pinned rate, what was held, and what of it was charged."""

    cdr = ForeignKeyField(Cdr, primary_key=True)
    payer = TextField()
    term = ForeignKeyField(Term, null=True)
    term_id: int | None
    deck = ForeignKeyField(Deck)
    deck_id: int
    prefix = TextField()
    rate_name = TextField()
    price_per_minute_micros = BigIntegerField()
    connection_fee_micros = BigIntegerField()
    increments = TextField()
    held_bundle_s = IntegerField()
    held_paid_s = IntegerField()
    held_micros = BigIntegerField()
    billed_s = IntegerField()
    bundle_s = IntegerField()
    paid_s = IntegerField()
    price_micros = BigIntegerField()


class Node(Table):
    """An Asterisk with its connector: when it was first and last seen, when its Asterisk was started. `codecs`: those
    that it can convert, by commas; "" for not known yet.
    """

    name = TextField(primary_key=True)
    joined_at = BigIntegerField()
    seen_at = BigIntegerField()
    epoch = BigIntegerField()
    codecs = TextField(constraints=[SQL("DEFAULT ''")])


class ReferenceVersion(Table):
    """How often reference data was changed (connector/database/reference.py): the version is the sum of all rows."""

    id = IntegerField(primary_key=True)
    version = BigIntegerField()


class Reachability(Table):
    """What became of a trunk or a PBX, as one node's Asterisk sees it: a row each time that it changed.

    `sip_status` is the last SIP answer, where there was one; `words` say the reason.
    """

    id = BigAutoField()
    node = TextField()
    endpoint = TextField()
    state = TextField()
    sip_status = IntegerField(null=True)
    words = TextField()
    at = BigIntegerField()

    class Meta:
        indexes = (SQL("CREATE INDEX reachability_last ON reachability (endpoint, node, at)"),)


class Restored(Table):
    """One row while the store waits to be looked at after a restore: where its books end, and when it was restored."""

    id = IntegerField(primary_key=True, constraints=[Check("id = 1")])
    books_end_at = BigIntegerField()
    restored_at = BigIntegerField()


class User(Table):
    """Somebody who may sign in, by `email`. Without a company: of the house, so of all. `profile`: the one that a
    member sees. `password` is a hash, "" before the first sign-in; `totp` the sealed secret of the codes that are
    asked for beside it, and `totp_used` the time step of the last one. `language`: in which they are written to, as
    connector/words.py names it; "" for the usual one.
    """

    id = AutoField()
    email = TextField(unique=True)
    name = TextField()
    company = ForeignKeyField(Company, null=True)
    company_id: int | None
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    role = TextField(constraints=[Check("role IN ('owner', 'finance', 'operator', 'viewer', 'member')")])
    password = TextField(constraints=[SQL("DEFAULT ''")], default="")
    password_at = BigIntegerField(null=True)
    totp = TextField(null=True)
    totp_used = BigIntegerField(null=True)
    created_at = BigIntegerField()
    disabled_at = BigIntegerField(null=True)
    language = TextField(constraints=[SQL("DEFAULT ''")], default="")

    class Meta:
        table_name = "users"  # "user" is a word of SQL's


class SavedFilter(Table):
    """A filter of the history that a user has saved: `query` as it stands in an address."""

    id = AutoField()
    user = ForeignKeyField(User)
    name = TextField()
    query = TextField()
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("user", "name"), True),)


class SheetLayout(Table):
    """What was answered about sheets of a carrier ("" for none in particular) with the same columns: `signature` and
    `answers`, a JSON object, are those of core/layouts.py.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    carrier = TextField(constraints=[SQL("DEFAULT ''")])
    signature = TextField()
    answers = TextField(constraints=[SQL("DEFAULT '{}'")])
    kept_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "carrier", "signature"), True),)


class SignInLink(Table):
    """A link that lets a user in once. Of its secret there is a hash."""

    user = ForeignKeyField(User, primary_key=True)
    user_id: int
    hashed = TextField(unique=True)
    expires_at = BigIntegerField()


class Session(Table):
    """Somebody who signed in with a browser, as far as `stage`. Of the cookie's secret there is a hash; the one before
    the last rotation is good until `old_until`. `company`: which one the house's user looks at.
    """

    id = AutoField()
    user = ForeignKeyField(User)
    user_id: int
    hashed = TextField(unique=True)
    old_hashed = TextField(null=True, unique=True)
    old_until = BigIntegerField(null=True)
    csrf = TextField()
    company = ForeignKeyField(Company, null=True)
    company_id: int | None
    stage = TextField(constraints=[Check("stage IN ('full', 'totp', 'password')")])
    created_at = BigIntegerField()
    rotated_at = BigIntegerField()
    seen_at = BigIntegerField()
    address = TextField()
    agent = TextField()


class ApiToken(Table):
    """A program's way in, in a user's name, to what its `scopes` and the user's role both allow."""

    id = AutoField()
    user = ForeignKeyField(User)
    user_id: int
    name = TextField()
    scopes = TextField()
    hashed = TextField(unique=True)
    created_at = BigIntegerField()
    expires_at = BigIntegerField(null=True)
    used_at = BigIntegerField(null=True)
    revoked_at = BigIntegerField(null=True)


class Audit(Table):
    """One thing that somebody changed. `user` is null for the command line, `company` for what is of none."""

    id = BigAutoField()
    at = BigIntegerField()
    actor = TextField()
    user = ForeignKeyField(User, null=True)
    company = ForeignKeyField(Company, null=True)
    action = TextField()
    subject = TextField()
    detail = TextField()
    address = TextField()

    class Meta:
        indexes = ((("company", "id"), False),)


class Request(Table):
    """A request that moved money, by its asker's key, and what was answered: it is not done twice."""

    key = TextField(primary_key=True)
    fingerprint = TextField()
    answer = TextField()
    at = BigIntegerField(index=True)


class Export(Table):
    """A sheet that somebody asked for (billing/exports.py); its file is on `node`. `month` null: of all time."""

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    kind = TextField()
    month = TextField(null=True)
    state = TextField(constraints=[Check("state IN ('waiting', 'running', 'done', 'failed', 'gone')")])
    rows = BigIntegerField(constraints=[SQL("DEFAULT 0")], default=0)
    total = BigIntegerField(constraints=[SQL("DEFAULT 0")], default=0)
    bytes = BigIntegerField(constraints=[SQL("DEFAULT 0")], default=0)
    price_micros = BigIntegerField(null=True)
    why = TextField(constraints=[SQL("DEFAULT ''")], default="")
    node = TextField()
    asked_at = BigIntegerField()
    done_at = BigIntegerField(null=True)

    class Meta:
        indexes = ((("company", "id"), False), (("node", "state"), False))


class Webhook(Table):
    """A URL that a company's `notices`, events of its `calls`, or both (1, else 0) are posted to, signed by `secret`,
    which is sealed.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    url = TextField()
    secret = TextField()
    created_at = BigIntegerField()
    notices = IntegerField(constraints=[SQL("DEFAULT 1")], default=1)
    calls = IntegerField(constraints=[SQL("DEFAULT 0")], default=0)


class CallEvent(Table):
    """Something about a call that one webhook is yet to be told. It goes when it was posted; `id` is its place in the
    order, and may be another's later. It refers to nothing by a constraint: no call fails for it.
    """

    id = BigAutoField()
    webhook_id = IntegerField()
    call_id = TextField()
    event = TextField(constraints=[Check("event IN ('started', 'answered', 'ended', 'refused')")])
    at = BigIntegerField()

    class Meta:
        indexes = (SQL("CREATE INDEX call_event_order ON call_event (webhook_id, id)"),)


class CallPost(Table):
    """The posts of call events to one webhook: not before `next_at`; who posts puts that off for a while. `tries`: how
    often the last post failed, `why`, and since when the webhook takes none. `given_up`: events that it never took.
    """

    webhook_id = IntegerField(primary_key=True)
    next_at = BigIntegerField()
    tries = IntegerField(constraints=[SQL("DEFAULT 0")], default=0)
    why = TextField(constraints=[SQL("DEFAULT ''")], default="")
    failing_since = BigIntegerField(null=True)
    given_up = BigIntegerField(constraints=[SQL("DEFAULT 0")], default=0)


class Threshold(Table):
    """What a company, or with `profile` that one, wants to be told of: when a figure of core/alerts.py passes `value`,
    in micros or a count.
    """

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    kind = TextField()
    value = BigIntegerField()
    created_at = BigIntegerField()


class Delivery(Table):
    """A notice on its way to one receiver: a webhook, or by mail to `address`. While it is waiting it is due at
    `next_at`, and not before; who sends it puts that off for a while.
    """

    id = AutoField()
    notice = ForeignKeyField(Notice)
    webhook = ForeignKeyField(Webhook, null=True)
    address = TextField(constraints=[SQL("DEFAULT ''")], default="")
    state = TextField(
        constraints=[SQL("DEFAULT 'waiting'"), Check("state IN ('waiting', 'sent', 'failed')")], default="waiting"
    )
    tries = IntegerField(constraints=[SQL("DEFAULT 0")], default=0)
    why = TextField(constraints=[SQL("DEFAULT ''")], default="")
    next_at = BigIntegerField()
    sent_at = BigIntegerField(null=True)

    class Meta:
        indexes = (
            (("notice", "webhook", "address"), True),
            SQL("CREATE INDEX delivery_due ON delivery (next_at) WHERE state = 'waiting'"),
        )


TABLES = (
    Company, Profile, Trunk, Number, Call, Cdr,
    PriceList, Account, Entry, Posting, Payment, PaymentEvent, Buyer, InvoiceSeries, InvoiceRestart, Invoice,
    Closing, Deck, Limits,
    PrefixRule, ServiceNumber, Recharge, CardRecharge, CardCharge, Term, Notice, Hold,
    Charge,
    Restored, Node, ReferenceVersion, Reachability, Stock, Verified, Hours, Department, InboundAccount, Mailbox,
    EmergencyCall, User, SignInLink, Session, ApiToken, Audit, Request,
    CallDay, DestinationMonth, RefusalMonth, ChannelHour, Export,
    Webhook, Delivery, Threshold, Button, CallEvent, CallPost, Media,
    SavedFilter,
    SheetLayout, ExchangeRate, MarginFloor, TrunkOrder, Cost, MarginMonth,
)  # fmt: skip
# What goes along to another store: which nodes were there is not true there, and it counts its versions by itself.
COPIED = tuple(model for model in TABLES if model not in (Node, ReferenceVersion))
