"""The five commonest tasks, done with the generated client, in its own environment: python tasks.py FOLDER URL TOKEN.

A profile with credit and channels, a number that rings it, money that is recorded, what it costs, what was called.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
import uuid


def main(folder: str, url: str, token: str) -> None:
    """Do them, and print what came of each."""
    sys.path.insert(0, folder)
    from client import AuthenticatedClient  # noqa: I001
    from client.api.calls import list_cdrs, list_live_calls
    from client.api.company import price_call, show_balance, top_up
    from client.api.money import add_credit, buy_channels, quote_channels
    from client.api.numbers_and_routes import add_number, attach_number, list_numbers
    from client.api.profiles import create_profile, list_profiles, show_profile
    from client.models import ChannelPurchase, NewProfile, OwnNumber, Payment, Sum
    from client.models import Problem
    from client.models.attachment import Attachment

    with AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True) as api:
        made = create_profile.sync(client=api, body=NewProfile(name="by a program"))
        if isinstance(made, Problem):
            sys.exit(f"the profile was refused: {made.detail}")
        quoted = quote_channels.sync(made.username, client=api, body=ChannelPurchase(channels=3))
        bought = buy_channels.sync(
            made.username, client=api, body=ChannelPurchase(channels=3), idempotency_key=uuid.uuid4().hex
        )
        paid = top_up.sync(client=api, body=Payment(amount_micros=25_000_000), idempotency_key="payment by a program")
        again = top_up.sync(client=api, body=Payment(amount_micros=25_000_000), idempotency_key="payment by a program")
        credit = add_credit.sync(
            made.username, client=api, body=Sum(amount_micros=5_000_000), idempotency_key=uuid.uuid4().hex
        )
        add_number.sync(client=api, body=OwnNumber(number="+442079460777"))
        attach_number.sync("+442079460777", client=api, body=Attachment(profile=made.username))
        price = price_call.sync(client=api, number="+442079460001", duration_ms=90_000)
        refused = show_profile.sync("nothing", client=api)
        print(  # noqa: T201
            json.dumps(
                {
                    "quoted": quoted.charged_micros,
                    "bought": (bought.channels, bought.charged_micros),
                    "balance": (paid.available_micros - again.available_micros, show_balance.sync(client=api).currency),
                    "credit": credit.available_micros,
                    "numbers": [each.number for each in list_numbers.sync(client=api).items],
                    "profiles": [each.username for each in list_profiles.sync(client=api).items],
                    "shown": show_profile.sync(made.username, client=api).channels,
                    "made": (made.username, len(made.password)),
                    "price": price.price_micros,
                    "cdrs": [each.ending for each in list_cdrs.sync(client=api).items],
                    "live": len(list_live_calls.sync(client=api).items),
                    "refused": (isinstance(refused, Problem), refused.code),
                }
            )
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
