"""Who may sign in, by which sessions and tokens, what they did, and which requests that moved money were answered."""

from __future__ import annotations

from peewee import (
    SQL,
    AutoField,
    BigAutoField,
    BigIntegerField,
    Check,
    Database,
    ForeignKeyField,
    Model,
    SqliteDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator


class Table(Model):
    class Meta:
        legacy_table_names = False


class Company(Table):
    id = AutoField()


class Profile(Table):
    id = AutoField()


class User(Table):
    id = AutoField()
    email = TextField(unique=True)
    name = TextField()
    company = ForeignKeyField(Company, null=True)
    profile = ForeignKeyField(Profile, null=True)
    role = TextField(constraints=[Check("role IN ('owner', 'finance', 'operator', 'viewer', 'member')")])
    password = TextField(constraints=[SQL("DEFAULT ''")])
    password_at = BigIntegerField(null=True)
    totp = TextField(null=True)
    totp_used = BigIntegerField(null=True)
    created_at = BigIntegerField()
    disabled_at = BigIntegerField(null=True)

    class Meta:
        table_name = "users"


class SignInLink(Table):
    user = ForeignKeyField(User, primary_key=True)
    hashed = TextField(unique=True)
    expires_at = BigIntegerField()


class Session(Table):
    id = AutoField()
    user = ForeignKeyField(User)
    hashed = TextField(unique=True)
    old_hashed = TextField(null=True, unique=True)
    old_until = BigIntegerField(null=True)
    csrf = TextField()
    company = ForeignKeyField(Company, null=True)
    stage = TextField(constraints=[Check("stage IN ('full', 'totp', 'password')")])
    created_at = BigIntegerField()
    rotated_at = BigIntegerField()
    seen_at = BigIntegerField()
    address = TextField()
    agent = TextField()


class ApiToken(Table):
    id = AutoField()
    user = ForeignKeyField(User)
    name = TextField()
    scopes = TextField()
    hashed = TextField(unique=True)
    created_at = BigIntegerField()
    expires_at = BigIntegerField(null=True)
    used_at = BigIntegerField(null=True)
    revoked_at = BigIntegerField(null=True)


class Audit(Table):
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
    key = TextField(primary_key=True)
    fingerprint = TextField()
    answer = TextField()
    at = BigIntegerField(index=True)


APPEND_ONLY = """
CREATE TRIGGER audit_no_{action} BEFORE {action} ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append only');
END
"""
APPEND_ONLY_ON_POSTGRESQL = """
CREATE TRIGGER audit_no_{action} BEFORE {action} ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()
"""
REFUSE_ON_POSTGRESQL = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append only';
END $$;
"""

NEW = [User, SignInLink, Session, ApiToken, Audit, Request]


COMPANY_OF_CDR = (
    'ALTER TABLE "cdr" ADD COLUMN "company_id" INTEGER',
    "UPDATE cdr SET company_id = COALESCE((SELECT company_id FROM profile WHERE profile.id = cdr.profile_id),"
    " (SELECT company_id FROM trunk WHERE trunk.id = cdr.trunk_id))",
    "CREATE INDEX cdr_company_ended ON cdr (company_id, ended_at)",
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    for statement in COMPANY_OF_CDR:
        db.execute_sql(statement)  # type: ignore[no-untyped-call]
    with db.bind_ctx([Company, Profile, *NEW]):
        db.create_tables(NEW, safe=False)
    guard = APPEND_ONLY
    if not isinstance(db, SqliteDatabase):
        db.execute_sql(REFUSE_ON_POSTGRESQL)  # type: ignore[no-untyped-call]
        guard = APPEND_ONLY_ON_POSTGRESQL
    for action in ("UPDATE", "DELETE"):
        db.execute_sql(guard.format(action=action))  # type: ignore[no-untyped-call]
