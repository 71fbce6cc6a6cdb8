"""Sums of calls by month, day and hour; with each CDR when the ledger has its charge; sheets that are exported."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from peewee import (
    SQL,
    AutoField,
    BigIntegerField,
    Check,
    CompositeKey,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    SqliteDatabase,
    TextField,
)
from playhouse.migrate import SchemaMigrator

HOUR_MS = 3_600_000
NEVER = 2**62
MOST_HOURS = 48
AT_ONCE = 10_000


class Table(Model):
    class Meta:
        legacy_table_names = False


class CallDay(Table):
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
    company_id = IntegerField()
    month = TextField()
    profile_id = IntegerField()
    refusal = TextField()
    calls = BigIntegerField()
    offered_micros = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("company_id", "month", "profile_id", "refusal")


class ChannelHour(Table):
    profile_id = IntegerField()
    hour_at = BigIntegerField()
    peak = IntegerField()
    carried = IntegerField()
    busy_ms = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("profile_id", "hour_at")


class Company(Table):
    id = AutoField()


class Profile(Table):
    id = AutoField()


class Export(Table):
    id = AutoField()
    company = ForeignKeyField(Company)
    profile = ForeignKeyField(Profile, null=True)
    kind = TextField()
    month = TextField(null=True)
    state = TextField(constraints=[Check("state IN ('waiting', 'running', 'done', 'failed', 'gone')")])
    rows = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    total = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    bytes = BigIntegerField(constraints=[SQL("DEFAULT 0")])
    price_micros = BigIntegerField(null=True)
    why = TextField(constraints=[SQL("DEFAULT ''")])
    node = TextField()
    asked_at = BigIntegerField()
    done_at = BigIntegerField(null=True)

    class Meta:
        indexes = ((("company", "id"), False), (("node", "state"), False))


NEW = [CallDay, DestinationMonth, RefusalMonth, ChannelHour, Export]
COLUMNS = (
    'ALTER TABLE "cdr" ADD COLUMN "booked_at" {kind} NOT NULL DEFAULT 0',
    'ALTER TABLE "cdr" ADD COLUMN "offered_micros" {kind}',
    "UPDATE cdr SET booked_at = COALESCE("
    "(SELECT entry.at FROM entry WHERE entry.key = 'call:' || cdr.id || ':settle'), ended_at)",
    "CREATE INDEX entry_not_of_calls ON entry (company_id, at) WHERE kind NOT IN ('hold', 'settle')",
)
CDRS = (
    "SELECT cdr.id, cdr.company_id, COALESCE(cdr.profile_id, 0), cdr.direction, COALESCE(cdr.refusal, ''),"
    " COALESCE(charge.rate_name, ''), COALESCE(charge.payer, ''), cdr.booked_at, cdr.duration_ms,"
    " COALESCE(charge.billed_s, 0), COALESCE(charge.bundle_s, 0), COALESCE(cdr.price_micros, 0)"
    " FROM cdr LEFT JOIN charge ON charge.cdr_id = cdr.id WHERE cdr.company_id IS NOT NULL"
    " AND cdr.id > {mark} ORDER BY cdr.id LIMIT {most}"
)
TAKEN = (
    "SELECT started_at, ended_at FROM cdr WHERE profile_id = {mark} AND refusal IS NULL"
    " UNION ALL SELECT started_at, NULL FROM call WHERE profile_id = {mark} AND dead_at IS NULL ORDER BY 1"
)


def up(migrator: SchemaMigrator, db: Database) -> None:
    kind = "INTEGER" if isinstance(db, SqliteDatabase) else "BIGINT"
    for statement in COLUMNS:
        db.execute_sql(statement.format(kind=kind))  # type: ignore[no-untyped-call]
    with db.bind_ctx([Company, Profile, *NEW]):
        db.create_tables(NEW, safe=False)
    zones = {number: ZoneInfo(zone) for number, zone in _rows(db, "SELECT id, time_zone FROM company")}
    days: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 8)
    destinations: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 6)
    refusals: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 2)
    for company, profile, way, refusal, destination, payer, at, talked, billed, bundle, price in _cdrs(db):
        day = f"{datetime.fromtimestamp(at // 1000, UTC).astimezone(zones[company]):%Y-%m-%d}"
        out, came_in = int(not refusal and way == "out"), int(not refusal and way == "in")
        counts = (out, came_in, int(bool(refusal)), int(refusal == "channels_full"))
        for whose in {profile, 0}:
            _add(days[company, day, whose], (*counts, talked, billed, bundle, price))
            if out:
                key = (company, day[:7], whose, destination, payer)
                _add(destinations[key], (1, int(talked > 0), talked, billed, bundle, price))
        if refusal:
            _add(refusals[company, day[:7], profile, refusal], (1, 0))
    _put(db, "call_day", [(*key, *sums) for key, sums in days.items()])
    _put(db, "destination_month", [(*key, *sums) for key, sums in destinations.items()])
    _put(db, "refusal_month", [(*key, *sums) for key, sums in refusals.items()])
    _put(db, "channel_hour", [(*key, *sums) for key, sums in _hours(db).items()])


def _hours(db: Database) -> dict[tuple[int, int], list[int]]:
    """What each hour of a profile had: the most channels after an admission, those carried into it, and how long."""
    hours: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for (profile,) in _rows(db, "SELECT id FROM profile"):
        up_until = list[int]()
        for began, ended in _rows(db, TAKEN.format(mark=_mark(db)), profile, profile):
            while up_until and up_until[0] <= began:
                heapq.heappop(up_until)
            heapq.heappush(up_until, NEVER if ended is None else ended)
            first = began // HOUR_MS
            row = hours[profile, first * HOUR_MS]
            row[0] = max(row[0], len(up_until))
            if ended is None:  # it adds itself when it ends
                continue
            last = max(first, ended // HOUR_MS)
            for hour in range(max(first, last - MOST_HOURS), last + 1):
                begin, end = max(began, hour * HOUR_MS), min(ended, (hour + 1) * HOUR_MS)
                _add(hours[profile, hour * HOUR_MS], (0, int(hour > first), max(0, end - begin)))
    return hours


def _cdrs(db: Database) -> Iterator[tuple[Any, ...]]:
    """All of them, a few in memory at a time."""
    sql, after = CDRS.format(mark=_mark(db), most=AT_ONCE), ""
    while some := _rows(db, sql, after):
        for number, *row in some:
            yield tuple(row)
            after = number


def _mark(db: Database) -> str:
    return "?" if isinstance(db, SqliteDatabase) else "%s"


def _rows(db: Database, sql: str, *values: Any) -> Any:
    return db.execute_sql(sql, values).fetchall()  # type: ignore[no-untyped-call]


def _add(sums: list[int], more: tuple[int, ...]) -> None:
    for place, amount in enumerate(more):
        sums[place] += amount


def _put(db: Database, table: str, found: list[tuple[Any, ...]]) -> None:
    if found:
        marks = ", ".join([_mark(db)] * len(found[0]))
        db.connection().cursor().executemany(f"INSERT INTO {table} VALUES ({marks})", found)  # type: ignore[no-untyped-call]
