"""Money: the ledger, rate decks, terms, limits, and what calls hold and are charged.

A frozen copy of the models as they were here; the tables of 0001 that they refer to by their keys alone.
"""

from __future__ import annotations

from peewee import (
    SQL,
    AutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    Check,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    SqliteDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator

# Each guard in both dialects. The balance of an account is the sum of its postings, by the store's own hand.
POSTED = """
CREATE TRIGGER posting_moves_balance AFTER INSERT ON posting
BEGIN
    UPDATE account SET balance = balance + NEW.amount WHERE name = NEW.account_id;
END
"""
POSTED_ON_POSTGRESQL = """
CREATE FUNCTION posting_moves_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account SET balance = balance + NEW.amount WHERE name = NEW.account_id;
    RETURN NEW;
END $$;
CREATE TRIGGER posting_moves_balance AFTER INSERT ON posting FOR EACH ROW EXECUTE FUNCTION posting_moves_balance();
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append only';
END $$;
"""
APPEND_ONLY_ON_POSTGRESQL = """
CREATE TRIGGER {table}_no_{action} BEFORE {action} ON {table} FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only()
"""
APPEND_ONLY = """
CREATE TRIGGER {table}_no_{action} BEFORE {action} ON {table}
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append only');
END
"""


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class Profile(Table):
    id = AutoField()


class Number(Table):
    id = AutoField()


class Call(Table):
    id = TextField(primary_key=True)


class Cdr(Table):
    id = TextField(primary_key=True)


class PriceList(Table):
    company = ForeignKeyField(Company, primary_key=True)
    channel_micros = BigIntegerField(constraints=[Check("channel_micros >= 0")])
    bundle_micros = BigIntegerField(constraints=[Check("bundle_micros >= 0")])


class Account(Table):
    name = TextField(primary_key=True)
    company = ForeignKeyField(Company)
    purpose = TextField()
    asset = TextField(constraints=[Check("asset IN ('money', 'seconds')")])
    balance = BigIntegerField(
        constraints=[
            Check("balance >= 0 OR purpose IN ('outside', 'seconds_sold')"),
            Check("balance BETWEEN -4000000000000000000 AND 4000000000000000000"),
        ]
    )


class Entry(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
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
        )


class Posting(Table):
    id = AutoField()
    entry = ForeignKeyField(Entry)
    account = ForeignKeyField(Account)
    amount = BigIntegerField(constraints=[Check("amount <> 0")])

    class Meta:
        indexes = ((("entry", "account"), True),)


class Closing(Table):
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
    id = AutoField()
    company = ForeignKeyField(Company)
    name = TextField()
    version = TextField()
    rates = IntegerField()
    content = BlobField()
    loaded_at = BigIntegerField()
    in_use_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "in_use_at"), False),)


class Limits(Table):
    profile = ForeignKeyField(Profile, primary_key=True)
    price_per_minute_micros = BigIntegerField(null=True)
    call_micros = BigIntegerField(null=True)
    day_micros = BigIntegerField(null=True)
    month_micros = BigIntegerField(null=True)
    calls_per_second = IntegerField(null=True)
    attempts_per_number = IntegerField(null=True)
    uses_company_balance = BooleanField()


class PrefixRule(Table):
    id = AutoField()
    profile = ForeignKeyField(Profile)
    prefix = TextField()
    allowed = BooleanField()

    class Meta:
        indexes = ((("profile", "prefix"), True),)


class Recharge(Table):
    profile = ForeignKeyField(Profile, primary_key=True)
    amount_micros = BigIntegerField(constraints=[Check("amount_micros > 0")])
    threshold_micros = BigIntegerField(constraints=[Check("threshold_micros > 0")])
    monthly_limit_micros = BigIntegerField(null=True)


class Term(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    number = ForeignKeyField(Number, null=True)
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
    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    kind = TextField()
    key = TextField(unique=True)
    text = TextField()
    at = BigIntegerField()


class Hold(Table):
    call = ForeignKeyField(Call, primary_key=True)
    payer = TextField(constraints=[Check("payer IN ('profile', 'company', 'bundle')")])
    term = ForeignKeyField(Term, null=True)
    deck = ForeignKeyField(Deck)
    prefix = TextField()
    rate_name = TextField()
    price_per_minute_micros = BigIntegerField()
    connection_fee_micros = BigIntegerField()
    increments = TextField()
    bundle_s = IntegerField(constraints=[Check("bundle_s >= 0")])
    paid_s = IntegerField(constraints=[Check("paid_s >= 0")])
    micros = BigIntegerField(constraints=[Check("micros >= 0")])


class Charge(Table):
    cdr = ForeignKeyField(Cdr, primary_key=True)
    payer = TextField()
    term = ForeignKeyField(Term, null=True)
    deck = ForeignKeyField(Deck)
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


OLD = (Company, Profile, Number, Call, Cdr)
TABLES = (
    PriceList, Account, Entry, Posting, Closing, Deck, Limits, PrefixRule, Recharge, Term, Notice, Hold, Charge,
)  # fmt: skip


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx([*OLD, *TABLES]):
        db.create_tables(TABLES, safe=False)
    sqlite = isinstance(db, SqliteDatabase)
    db.execute_sql(POSTED if sqlite else POSTED_ON_POSTGRESQL)  # type: ignore[no-untyped-call]
    guard = APPEND_ONLY if sqlite else APPEND_ONLY_ON_POSTGRESQL
    for table in ("entry", "posting"):
        for action in ("update", "delete"):
            db.execute_sql(guard.format(table=table, action=action))  # type: ignore[no-untyped-call]
    # Spending in the last day, attempts in the last hour: asked at every call of a profile with such a limit.
    db.execute_sql("CREATE INDEX cdr_profile_ended ON cdr (profile_id, ended_at)")  # type: ignore[no-untyped-call]
    db.execute_sql("CREATE INDEX cdr_profile_started ON cdr (profile_id, started_at)")  # type: ignore[no-untyped-call]
