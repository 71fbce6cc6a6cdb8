"""Profiles and trunks of both roles and both ways to sign in; what each says on the wire; how reachable they were."""

from __future__ import annotations

from peewee import SQL, BigAutoField, BigIntegerField, Database, IntegerField, Model, SqliteDatabase, TextField
from playhouse.migrate import SchemaMigrator


class Reachability(Model):
    id = BigAutoField()
    node = TextField()
    endpoint = TextField()
    state = TextField()
    sip_status = IntegerField(null=True)
    words = TextField()
    at = BigIntegerField()

    class Meta:
        legacy_table_names = False
        indexes = (SQL("CREATE INDEX reachability_last ON reachability (endpoint, node, at)"),)


def up(migrator: SchemaMigrator, db: Database) -> None:
    big = "INTEGER" if isinstance(db, SqliteDatabase) else "BIGINT"
    columns = {
        "profile": (
            '"address" TEXT',
            '"port" INTEGER CHECK (port BETWEEN 1 AND 65535)',
            '"old_digest" TEXT',
            f'"old_until" {big}',
            "\"options\" TEXT NOT NULL DEFAULT '{}'",
            "\"state\" TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'draining', 'suspended'))",
            '"sip_version" INTEGER NOT NULL DEFAULT 1',
        ),
        "trunk": (
            '"profile_id" INTEGER REFERENCES "profile" ("id")',
            "\"auth\" TEXT NOT NULL DEFAULT 'ip' CHECK (auth IN ('registration', 'ip'))",
            "\"username\" TEXT NOT NULL DEFAULT ''",
            "\"realm\" TEXT NOT NULL DEFAULT ''",
            '"secret" TEXT',
            "\"options\" TEXT NOT NULL DEFAULT '{}'",
            "\"state\" TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'draining', 'suspended', 'archived'))",
            '"sip_version" INTEGER NOT NULL DEFAULT 1',
            '"place" INTEGER NOT NULL DEFAULT 1 CHECK (place BETWEEN 1 AND 100)',
            '"share" INTEGER NOT NULL DEFAULT 1 CHECK (share BETWEEN 1 AND 1000)',
            "\"failover\" TEXT NOT NULL DEFAULT '408 500 502 503 504'",
        ),
    }
    for table, added in columns.items():
        for column in added:
            db.execute_sql(f'ALTER TABLE "{table}" ADD COLUMN {column}')  # type: ignore[no-untyped-call]
    db.execute_sql('CREATE UNIQUE INDEX "trunk_profile_id" ON "trunk" ("profile_id")')  # type: ignore[no-untyped-call]
    with db.bind_ctx([Reachability]):
        db.create_tables([Reachability], safe=False)
