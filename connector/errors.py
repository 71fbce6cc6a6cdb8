"""Every error the connector raises on purpose. Each carries one line that a person can read.

    ConnectorError
     +- BadInput            what was given cannot be taken; nothing was changed
     |   +- InsufficientFunds   there is too little money for it
     |   +- KeyReused           an idempotency key came again, with other figures
     |   +- SeveralCompanies    it was not said of which company
     +- NotFound            what was asked for is not there; nothing was changed
     +- Forbidden           whoever asks may not do that; nothing was changed
     +- SettingsError       connector.toml is missing, unreadable or wrong
     +- StoreUnavailable    the store cannot be read or written now: nothing is admitted
     |   +- StoreUnreachable    no transaction could even be begun: nothing was written
     |   +- StoreBusy           another transaction is in the way: nothing was written, and it may be tried at once
     +- SecretsLocked       the key that seals secrets is missing, or another store's
     +- GateUnavailable     the gate process is not there, or does not answer
     +- AsteriskError
         +- AriUnavailable  Asterisk cannot be asked: unknown, which is not absent
         +- AriRefused      Asterisk answered, and said no (status)
         +- AmiUnavailable  the manager interface cannot be asked
         +- ConfigRefused   Asterisk did not take the generated config; the old one is in place again
         +- ConfigBusy      somebody else applies config right now; nothing was changed

A refused call is no error: it is an answer (connector/core/refusals.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from connector.words import Translated, Words, tr


@dataclass(frozen=True)
class NextStep:
    """What helps after an error (core/steps.py).

    `words`: the text of a link. `page`: the path of a page of the Manager. `command`: a command of the command line.
    """

    words: str
    page: str
    command: str


class ConnectorError(Exception, Translated):
    """Base of all errors. Its text is shown to people, without a command or a link: those are in `step`, and each
    surface shows its own. What differs from time to time is in `values`, so that the text can be translated:
    `BadInput("No trunk {name}.", name=name)`.
    """

    def __init__(self, text: str = "", /, *, step: NextStep | None = None, **values: object) -> None:
        super().__init__(text.format(**values) if values else text)
        self.text = text
        self.values = values
        self.step = step

    def translated(self) -> str:
        """Its text in the reader's language."""
        if isinstance(self.text, Words):
            return self.text.translated()
        return tr(self.text, **self.values)


class BadInput(ConnectorError):
    """What was given cannot be taken; nothing was changed."""


class InsufficientFunds(BadInput):
    """There is too little money, or there are too few bundle seconds, for what was asked; nothing was changed."""


class KeyReused(BadInput):
    """An idempotency key came again, for other figures than the first time; nothing was changed."""


class SeveralCompanies(BadInput):
    """There are several companies, and it was not said which one is meant; nothing was changed."""


class NotFound(ConnectorError):
    """What was asked for is not there; nothing was changed."""


class Forbidden(ConnectorError):
    """Whoever asks may not do that; nothing was changed."""


class SettingsError(ConnectorError):
    """connector.toml is missing, unreadable or wrong."""


class StoreUnavailable(ConnectorError):
    """The store cannot be read or written now."""


class StoreUnreachable(StoreUnavailable):
    """No transaction could be begun: nothing was written, and the next one would fare no better."""


class StoreBusy(StoreUnavailable):
    """Another transaction is in the way: nothing was written, and the same may be tried again at once."""


class SecretsLocked(ConnectorError):
    """The key that seals the secrets of the store is missing, unreadable, or another store's."""


class GateUnavailable(ConnectorError):
    """The gate process is not there, or does not answer: whether calls are decided is not known."""


class AsteriskError(ConnectorError):
    """Something between us and Asterisk."""


class AriUnavailable(AsteriskError):
    """Asterisk cannot be asked: nothing is known, and nothing may be concluded."""


class AriRefused(AsteriskError):
    """Asterisk answered a request with an error.

    `status` is the HTTP status: 404 no such channel, 409 the channel is not in Stasis, 422 ...
    """

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"Asterisk refused {what}: {status}")
        self.status = status


def ari_error(status: int, what: str) -> AsteriskError:
    """What an answer of 400 or more means. An Asterisk that stops, or has not quite started, says 503 to all questions
    (measured on 22.10): it refused nothing.
    """
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return AriUnavailable("Asterisk does not accept {what} now because it is stopping or starting", what=what)
    return AriRefused(status, what)


class JournalUnavailable(AsteriskError):
    """What Asterisk wrote about its legs cannot be read now: nothing may be concluded."""


class AmiUnavailable(AsteriskError):
    """The manager interface cannot be asked."""


class ConfigRefused(AsteriskError):
    """Asterisk did not take the generated config; the old one is in place again."""


class ConfigBusy(AsteriskError):
    """Somebody else applies config right now; nothing was changed."""
