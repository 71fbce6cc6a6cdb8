"""The tables of the store, as Peewee models. Their history is in `migrations/`; a test holds the two together.

Times are milliseconds since 1970 UTC. Rows are made and read by the other modules of this package only.
"""

from __future__ import annotations

from peewee import (
    AutoField,
    BigIntegerField,
    BooleanField,
    Check,
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
    """A SIP profile. `digest` is HA1 for `username` and `realm`; the password itself is kept nowhere."""

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

    class Meta:
        indexes = ((("company", "name"), True),)


class Trunk(Table):
    """A way to a carrier: known by its address and UDP port, both ways."""

    id = AutoField()
    company = ForeignKeyField(Company)
    company_id: int
    name = TextField(unique=True)
    host = TextField()
    port = IntegerField(constraints=[Check("port BETWEEN 1 AND 65535")])
    created_at = BigIntegerField()


class Number(Table):
    """A number of the company, in E.164; calls to it go to its profile."""

    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    profile_id: int | None
    e164 = TextField(unique=True)
    created_at = BigIntegerField()


class Call(Table):
    """A live call: the row is the channel in use, and it goes when the call ends. There is no counter that could leak.

    `slot` says which of the profile's channels it is: unique per profile, and a trigger refuses a slot above the number
    bought, so that the store itself cannot be oversold. `seen_at` is the last moment the call was known alive.
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
    trunk = ForeignKeyField(Trunk)
    trunk_id: int
    gate_leg = TextField()
    other_leg = TextField(null=True)
    transferred = BooleanField()
    started_at = BigIntegerField()
    answered_at = BigIntegerField(null=True)
    seen_at = BigIntegerField()

    class Meta:
        indexes = ((("profile", "slot"), True),)


class Cdr(Table):
    """What became of one attempt, priced. `profile` and `trunk` are null where a refused call reached none.

    `duration_ms` runs from answer to hang-up. `price_micros` is null until rating fills it.
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
        constraints=[Check("ending IN ('ok','refused','busy','no_answer','cut_off','failed','estimated')")]
    )
    refusal = TextField(null=True)
    price_micros = BigIntegerField(null=True)


TABLES = (Company, Profile, Trunk, Number, Call, Cdr)
