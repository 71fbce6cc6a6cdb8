"""The first tables. A frozen copy of the models as they were here: later changes go into later migrations."""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
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

# A channel above those bought cannot be taken, whoever asks: the store's own word, not only Python's.
NOT_OVERSOLD = """
CREATE TRIGGER call_not_oversold BEFORE INSERT ON call
WHEN NEW.slot > (SELECT channels FROM profile WHERE id = NEW.profile_id)
BEGIN
    SELECT RAISE(ABORT, 'more channels than the profile has');
END
"""


NOT_OVERSOLD_ON_POSTGRESQL = """
CREATE FUNCTION call_not_oversold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.slot > (SELECT channels FROM profile WHERE id = NEW.profile_id) THEN
        RAISE EXCEPTION 'more channels than the profile has';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER call_not_oversold BEFORE INSERT ON call FOR EACH ROW EXECUTE FUNCTION call_not_oversold()
"""


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()
    name = TextField(unique=True)
    currency = TextField()
    time_zone = TextField()
    created_at = BigIntegerField()


class Profile(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    name = TextField()
    role = TextField(constraints=[Check("role IN ('client', 'server')")])
    auth = TextField(constraints=[Check("auth IN ('registration', 'ip')")])
    username = TextField(unique=True)
    realm = TextField()
    digest = TextField()
    channels = IntegerField(constraints=[Check("channels BETWEEN 0 AND 300")])
    status = TextField(constraints=[Check("status IN ('inactive', 'active', 'suspended', 'cancelling', 'archived')")])
    created_at = BigIntegerField()

    class Meta:
        indexes = ((("company", "name"), True),)


class Trunk(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    name = TextField(unique=True)
    host = TextField()
    port = IntegerField(constraints=[Check("port BETWEEN 1 AND 65535")])
    created_at = BigIntegerField()


class Number(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    e164 = TextField(unique=True)
    created_at = BigIntegerField()


class Call(Table):
    id = TextField(primary_key=True)
    node = TextField()
    profile = ForeignKeyField(Profile)
    slot = IntegerField(constraints=[Check("slot BETWEEN 1 AND 300")])
    direction = TextField(constraints=[Check("direction IN ('in', 'out')")])
    caller_id = TextField()
    dialled = TextField()
    called = TextField()
    trunk = ForeignKeyField(Trunk)
    gate_leg = TextField()
    other_leg = TextField(null=True)
    transferred = BooleanField()
    started_at = BigIntegerField()
    answered_at = BigIntegerField(null=True)
    seen_at = BigIntegerField()

    class Meta:
        indexes = ((("profile", "slot"), True),)


class Cdr(Table):
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
        constraints=[Check("ending IN ('ok','refused','busy','no_answer','cut_off','failed','estimated')")]
    )
    refusal = TextField(null=True)
    price_micros = BigIntegerField(null=True)


TABLES = (Company, Profile, Trunk, Number, Call, Cdr)


def up(migrator: SchemaMigrator, db: Database) -> None:
    with db.bind_ctx(TABLES):
        db.create_tables(TABLES, safe=False)
    guard = NOT_OVERSOLD if isinstance(db, SqliteDatabase) else NOT_OVERSOLD_ON_POSTGRESQL
    db.execute_sql(guard)  # type: ignore[no-untyped-call]
