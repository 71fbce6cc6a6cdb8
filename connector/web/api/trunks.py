"""Trunks to carriers and providers, and whether everything can be reached."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from connector.core.sip import Options
from connector.routing import reachability, trunks
from connector.routing.reachability import ReachView
from connector.routing.trunks import SignIn, TrunkView
from connector.web.api.profiles import Port, SipOptions, State
from connector.web.endpoint import Ask, Endpoints, OfCompany, Shape, Word

api = Endpoints("Trunks")

Place = Annotated[int, Field(ge=1, le=100)]
Share = Annotated[int, Field(ge=1, le=1000)]
Failover = Annotated[str, Field(max_length=100, examples=["408 500 502 503 504"])]


class NewTrunk(Shape):
    """A carrier at an address and port. With `username` and `password` we register there."""

    name: Word
    host: Word
    port: Port = 5060
    username: Word | None = None
    password: SecretStr | None = None
    realm: Word = ""
    place: Place = 1
    share: Share = 1
    failover: Failover | None = None
    options: SipOptions = SipOptions()


class TrunkChange(Shape):
    """What is not said stays."""

    host: Word | None = None
    port: Port | None = None
    username: Word | None = None
    password: SecretStr | None = None
    realm: Word | None = None
    place: Place | None = None
    share: Share | None = None
    failover: Failover | None = None
    options: SipOptions = SipOptions()


@api.get("/trunks", "trunks.read")
def list_trunks(ask: Ask, query: OfCompany) -> list[TrunkView]:
    """The trunks, in the order in which calls try them."""
    return trunks.list_trunks(ask.scope)


@api.post("/trunks", "trunks.write", of_company=True, status=201)
def create_trunk(ask: Ask, body: NewTrunk) -> TrunkView:
    """Create a trunk."""
    more = {} if body.failover is None else {"failover": body.failover}
    trunks.create_trunk(
        body.name,
        body.host,
        body.port,
        ask.now,
        ask.company,
        sign_in=_sign_in(body.username, body.password, body.realm),
        options=Options(**body.options.changes(ask)),
        place=body.place,
        share=body.share,
        **more,
    )
    return trunks.show_trunk(body.name)


@api.get("/trunks/{trunk}", "trunks.read")
def show_trunk(ask: Ask) -> TrunkView:
    """One trunk."""
    return trunks.show_trunk(ask.path["trunk"])


@api.patch("/trunks/{trunk}", "trunks.write")
def change_trunk(ask: Ask, body: TrunkChange) -> TrunkView:
    """Change a trunk; calls that are up go on."""
    return trunks.change(
        ask.path["trunk"],
        host=body.host,
        port=body.port,
        sign_in=_sign_in(body.username, body.password, body.realm),
        options=body.options.changes(ask),
        place=body.place,
        share=body.share,
        failover=body.failover,
    )


@api.put("/trunks/{trunk}/state", "trunks.write")
def set_trunk_state(ask: Ask, body: State) -> TrunkView:
    """Drain a trunk, suspend it, or open it again. Calls that are up go on."""
    return trunks.set_state(ask.path["trunk"], body.state)


@api.delete("/trunks/{trunk}", "trunks.write")
def remove_trunk(ask: Ask) -> None:
    """Take a carrier out for good; its calls stay in the records."""
    trunks.remove(ask.path["trunk"])


@api.get("/reachability", "trunks.read")
def list_reachability(ask: Ask, query: OfCompany) -> list[ReachView]:
    """How each trunk and PBX is reached, on each node."""
    return reachability.seen_by(ask.scope)


def _sign_in(username: str | None, password: SecretStr | None, realm: str | None) -> SignIn | None:
    if username is None:
        return None
    return SignIn(username, password.get_secret_value() if password else "", realm)
