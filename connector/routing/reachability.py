"""What became of trunks and PBXs, as each node's Asterisk saw them: a row for each change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from connector.core.access import Scope
from connector.core.reach import Known, State
from connector.core.sip import Options, known_by
from connector.core.trunks import endpoint_of
from connector.database.models import Reachability
from connector.database.store import insert, reading, rows, run, writing

KEPT_MS = 90 * 24 * 3_600_000


@dataclass(frozen=True)
class ReachView:
    """How an endpoint was from `at` on, on a node. `state` is up, down or unknown; `words` say why."""

    endpoint: str
    node: str
    state: str
    sip_status: int | None
    words: str
    at: int


def note(node: str, changed: Mapping[str, State], at: int) -> None:
    """These endpoints are so from now on."""
    with writing():
        for endpoint, state in changed.items():
            insert(
                Reachability,
                node=node,
                endpoint=endpoint,
                state=state.word,
                sip_status=state.sip_status,
                words=state.words,
                at=at,
            )
        # The last row of an endpoint stays: it says how it is, however long it has been so.
        run(
            "DELETE FROM reachability WHERE at < ? AND EXISTS (SELECT 1 FROM reachability later WHERE"
            " later.endpoint = reachability.endpoint AND later.node = reachability.node"
            " AND later.at >= reachability.at AND later.id > reachability.id)",
            at - KEPT_MS,
        )


def ends() -> dict[str, tuple[bool, bool]]:
    """Every endpoint that Asterisk should have: if its PBX registers with us, and if it is asked by OPTIONS."""
    profiles = (
        "SELECT username, auth, options FROM profile"
        " WHERE role = 'server' AND status != 'archived' AND state != 'suspended'"
    )
    with reading():
        found = {
            username: (auth == "registration", auth == "ip" and json.loads(options).get("qualify_s") != 0)
            for username, auth, options in rows(profiles)
        }
        for name, options in rows("SELECT name, options FROM trunk WHERE state IN ('open', 'draining')"):
            found[endpoint_of(name)] = (False, json.loads(options).get("qualify_s") != 0)
    return found


def endpoints() -> set[str]:
    """Every endpoint by which calls come or go: also a suspended profile's, whose calls are refused and have CDRs."""
    profiles = "SELECT username FROM profile WHERE role = 'server' AND status != 'archived'"
    with reading():
        found = {username for (username,) in rows(profiles)}
        return found | {
            endpoint_of(name) for (name,) in rows("SELECT name FROM trunk WHERE state IN ('open', 'draining')")
        }


def known() -> Known:
    """By what the INVITEs of trunks and PBXs are known."""
    signers: dict[str, str] = {}
    called: dict[str, str] = {}
    sources: dict[tuple[str, int | None], str] = {}
    with reading():
        for username, address, port in rows(
            "SELECT username, address, port FROM profile WHERE role = 'server' AND status != 'archived'"
        ):
            signers[username] = username
            if address:
                sources[(address, port)] = username
        for name, host, port, auth, kept in rows(
            "SELECT name, host, port, auth, options FROM trunk WHERE state IN ('open', 'draining')"
        ):
            options = Options.from_json(kept)
            called[options.contact_user or name] = endpoint_of(name)
            for source in known_by(host, port, auth == "registration", options):
                sources[source] = endpoint_of(name)
    return Known(signers, called, sources)


def seen_by(scope: Scope) -> list[ReachView]:
    """How each trunk and PBX that somebody sees is, on each node."""
    with reading():
        if scope.company is None:
            return latest()
        mine = {name for (name,) in rows("SELECT username FROM profile WHERE company_id = ?", scope.company)}
        mine |= {endpoint_of(name) for (name,) in rows("SELECT name FROM trunk WHERE company_id = ?", scope.company)}
        return [view for view in latest() if view.endpoint in mine]


def latest() -> list[ReachView]:
    """How each endpoint is on each node, by the last that was seen of it there."""
    sql = (
        "SELECT endpoint, node, state, sip_status, words, at FROM reachability WHERE id IN"
        " (SELECT MAX(id) FROM reachability GROUP BY endpoint, node) ORDER BY endpoint, node"
    )
    with reading():
        return [ReachView(*row) for row in rows(sql)]


@dataclass(frozen=True)
class Seen:
    """How an endpoint is on a node now, and since when it is up, or is not, in ms."""

    node: str
    state: str
    words: str
    since: int


def of_endpoint(endpoint: str) -> list[Seen]:
    """How an endpoint is on each node."""
    newest = (
        "SELECT node, state, words FROM reachability WHERE id IN"
        " (SELECT MAX(id) FROM reachability WHERE endpoint = ? GROUP BY node) ORDER BY node"
    )
    begun = (
        "SELECT MIN(at) FROM reachability WHERE endpoint = ? AND node = ? AND state = ? AND id > COALESCE("
        "(SELECT MAX(id) FROM reachability WHERE endpoint = ? AND node = ? AND state <> ?), 0)"
    )
    found = []
    with reading():
        for node, state, words in rows(newest, endpoint):
            ((since,),) = rows(begun, *(endpoint, node, state) * 2)
            found.append(Seen(node, state, words, int(since)))
    return found


def history(endpoint: str, limit: int = 100) -> list[ReachView]:
    """What became of one endpoint, the newest first."""
    sql = (
        "SELECT endpoint, node, state, sip_status, words, at FROM reachability WHERE endpoint = ?"
        " ORDER BY at DESC, id DESC LIMIT ?"
    )
    with reading():
        return [ReachView(*row) for row in rows(sql, endpoint, limit)]
