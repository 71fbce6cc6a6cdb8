"""Where notices are sent, and what became of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.billing import thresholds
from connector.billing.thresholds import ThresholdView
from connector.core.access import check_calls_told
from connector.core.alerts import MOST_LIMIT
from connector.core.paging import Page, turn
from connector.notices import webhooks
from connector.notices.webhooks import DeliveryView, WebhookCreated, WebhookView
from connector.web.endpoint import Ask, Endpoints, OfCompany, Paged, Shape, Word

api = Endpoints("Alerts")


class NewWebhook(Shape):
    """Where to post to, and what: notices, events of calls, or both."""

    url: Annotated[str, Field(max_length=500, examples=["https://example.com/notices"])]
    notices: bool = True
    calls: bool = False


class WebhookChange(Shape):
    """What is posted there from now on; what is not said stays."""

    notices: bool | None = None
    calls: bool | None = None


class NewThreshold(Shape):
    """What to be told of. `limit`: micros of the company's currency, or a count; 0 for `unregistered`."""

    kind: Literal["balance", "credit", "spend_day", "spend_month", "channels", "refusals", "unregistered"]
    limit: Annotated[int, Field(ge=0, le=MOST_LIMIT)] = 0
    profile: Word | None = None


@api.get("/thresholds", "alerts.write")
def list_thresholds(ask: Ask, query: OfCompany) -> list[ThresholdView]:
    """What is told of besides."""
    return thresholds.views(ask.scope)


@api.post("/thresholds", "alerts.write", of_company=True, status=201)
def create_threshold(ask: Ask, body: NewThreshold, query: OfCompany) -> ThresholdView:
    """Have a notice when a figure passes a value: once a day."""
    profile = ask.mine("profile", body.profile)
    return thresholds.create(body.kind, body.limit, ask.company, profile, ask.now)


@api.delete("/thresholds/{threshold}", "alerts.write")
def remove_threshold(ask: Ask) -> ThresholdView:
    """Have none any more."""
    return thresholds.remove(ask.number("threshold"))


@api.get("/webhooks", "alerts.write")
def list_webhooks(ask: Ask, query: OfCompany) -> list[WebhookView]:
    """Where notices and events of calls are posted to."""
    return webhooks.views(ask.scope)


@api.post("/webhooks", "alerts.write", of_company=True, status=201)
def create_webhook(ask: Ask, body: NewWebhook, query: OfCompany) -> WebhookCreated:
    """Have notices, events of calls, or both posted somewhere, signed by a secret that is shown now and never again.
    Events of calls take the permissions calls.read and money.read too.
    """
    if body.calls:
        check_calls_told(ask.actor)
    return webhooks.create(body.url, ask.now, ask.company, told=body.notices, calls=body.calls)


@api.patch("/webhooks/{webhook}", "alerts.write")
def change_webhook(ask: Ask, body: WebhookChange) -> WebhookView:
    """Post other things there from now on. Events of calls take the permissions calls.read and money.read too; those
    that wait are posted no more, if none are wanted.
    """
    made = webhooks.change(ask.number("webhook"), ask.now, told=body.notices, calls=body.calls)
    if made.calls:
        check_calls_told(ask.actor)  # Forbidden takes the change back: a request is one transaction
    return made


@api.post("/webhooks/{webhook}/test", "alerts.write")
def test_webhook(ask: Ask) -> WebhookView:
    """Post a notice there that says that it is a test."""
    return webhooks.test(ask.number("webhook"), ask.now)


@api.delete("/webhooks/{webhook}", "alerts.write")
def remove_webhook(ask: Ask) -> WebhookView:
    """Post nothing more there."""
    return webhooks.remove(ask.number("webhook"))


@api.get("/deliveries", "alerts.write")
def list_deliveries(ask: Ask, query: Paged) -> Page[DeliveryView]:
    """What was sent or is to be sent, newest first."""
    return webhooks.page_of(ask.scope, turn(query.cursor, query.limit, "i"))
