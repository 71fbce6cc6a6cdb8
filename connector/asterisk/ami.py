"""The manager interface (AMI), by panoramisk: lists of pjsip's objects, and the timers of legs.

panoramisk comes back by itself when the connection closes, but does not notice one that is silently dropped: a ping
with a time limit does. It sends again what had no answer when the connection broke; nothing of ours may be done late,
so all our actions are declared forgettable.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from panoramisk import Manager

from connector.config import AmiSettings
from connector.errors import AmiUnavailable

log = logging.getLogger(__name__)

ANSWER_LIMIT_S = 5.0
PING_EVERY_S = 4.0
_OUR_ACTIONS = (
    "ping",
    "login",
    "pjsipshowendpoints",
    "pjsipshowcontacts",
    "pjsipshowregistrationsoutbound",
    "pjsipqualify",
    "pjsipregister",
    "coresettings",
    "absolutetimeout",
    "playdtmf",
    "voicemailmove",
    "voicemailremove",
)


def _of_message(action: str, context: str, box: str, folder: str, message: str) -> dict[str, str]:
    return {"Action": action, "Context": context, "Mailbox": box, "Folder": folder, "ID": message}


class _Manager(Manager):  # type: ignore[misc]  # panoramisk has no types
    """panoramisk's, which takes the end of the event loop while it connects for a defect, and logs a Traceback."""

    def connection_made(self, connecting: asyncio.Future[Any]) -> None:
        """It is connected, or could not be: then it tries again. Cancelled, it does not."""
        if not connecting.cancelled():
            super().connection_made(connecting)


class AmiLink:
    """One connection to the manager interface, kept open by `run`."""

    def __init__(self, settings: AmiSettings, *, with_events: bool = True) -> None:
        """`with_events`: Asterisk sends its events, by which `changed` is set. Without them it has less to do."""
        self.settings = settings
        self._with_events = with_events
        self.changed = asyncio.Event()  # a contact or a registration did; whoever waits for it clears it
        self._manager: Any = None

    @property
    def is_connected(self) -> bool:
        """Whether Asterisk can be asked now."""
        manager = self._manager
        if manager is None or manager.protocol is None or manager.protocol.closed:
            return False
        return bool(manager.authenticated)

    async def connected(self, limit_s: float = 3.0) -> None:
        """Wait until it is: `run` has just begun. AmiUnavailable if it is not soon."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + limit_s
        while not self.is_connected:
            if loop.time() > deadline:
                raise AmiUnavailable(
                    "AMI cannot be reached at {host}:{port}", host=self.settings.host, port=self.settings.port
                )
            await asyncio.sleep(0.02)

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        logging.getLogger("panoramisk").setLevel(logging.CRITICAL)  # it writes whole actions; we say what matters
        self._manager = _Manager(
            host=self.settings.host,
            port=self.settings.port,
            username=self.settings.user,
            secret=self.settings.password.get_secret_value(),
            events="system" if self._with_events else "off",
            reconnect_timeout=1,
            ping_delay=3600,  # ours has a time limit
            ping_interval=3600,
            forgetable_actions=_OUR_ACTIONS,
            loop=asyncio.get_running_loop(),
            log=logging.getLogger("panoramisk"),
        )
        for event in ("ContactStatus", "Registry"):
            self._manager.register_event(event, self._noticed)
        self._manager.connect()
        try:
            while True:
                await asyncio.sleep(PING_EVERY_S)
                protocol = self._manager.protocol
                if self._manager.authenticated:
                    await self._ping()
                elif protocol is not None and not protocol.closed:
                    log.warning("AMI at %s:%d does not let us in", self.settings.host, self.settings.port)
                    protocol.transport.abort()
        finally:
            self._manager.close()

    def _noticed(self, manager: Any, event: Any) -> None:
        self.changed.set()

    async def endpoint_names(self) -> set[str]:
        """The names of all endpoints that Asterisk has loaded. AmiUnavailable if it cannot be asked."""
        answers = await self._ask({"Action": "PJSIPShowEndpoints"})
        return {answer["ObjectName"] for answer in answers if answer.event == "EndpointList"}

    async def contacts(self) -> list[dict[str, str]]:
        """Every contact of pjsip, as Asterisk lists it. AmiUnavailable if it cannot be asked."""
        answers = await self._ask({"Action": "PJSIPShowContacts"}, absent="No Contacts found")
        return [dict(answer) for answer in answers if answer.event == "ContactList"]

    async def registrations(self) -> list[dict[str, str]]:
        """Every registration of ours elsewhere, as Asterisk lists it. AmiUnavailable if it cannot be asked."""
        answers = await self._ask({"Action": "PJSIPShowRegistrationsOutbound"}, absent="No registrations found")
        return [dict(answer) for answer in answers if answer.event == "OutboundRegistrationDetail"]

    async def qualify(self, endpoint: str) -> None:
        """Have Asterisk ask an endpoint now whether it is there. AmiUnavailable if it cannot be asked."""
        await self._ask({"Action": "PJSIPQualify", "Endpoint": endpoint}, absent="Unable to retrieve endpoint")

    async def register(self, endpoint: str) -> None:
        """Have Asterisk register anew by the registration of this name, if there is one. AmiUnavailable."""
        await self._ask({"Action": "PJSIPRegister", "Registration": endpoint}, absent="Unable to retrieve registration")

    async def core_settings(self) -> dict[str, str]:
        """Asterisk's version and limits. AmiUnavailable if it cannot be asked."""
        (answer,) = await self._ask({"Action": "CoreSettings"})
        return dict(answer)

    async def end_leg_in(self, leg: str, ms: int) -> bool:
        """Asterisk ends a leg in `ms` milliseconds (its absolute timeout), ours or not; False if the leg is gone.

        AmiUnavailable if it cannot be asked. The leg is named by its unique id, which Asterisk takes for its name.
        """
        action = {"Action": "AbsoluteTimeout", "Channel": leg, "Timeout": f"{ms // 1000}.{ms % 1000:03d}"}
        return bool(await self._ask(action, absent="No such channel"))

    async def press(self, leg: str, digit: str) -> bool:
        """As if a key had been pressed at a leg's own end; False if the leg is gone. AmiUnavailable."""
        # Where an answer ends with "successfully queued", panoramisk breaks if its action had no Async.
        action = {"Action": "PlayDTMF", "Channel": leg, "Digit": digit, "Receive": "yes", "Async": "false"}
        return bool(await self._ask(action, absent="Channel not found"))

    async def message_heard(self, context: str, box: str, folder: str, message: str) -> None:
        """Have a voice mail message, by its id, among those that were heard. AmiUnavailable if it is not done."""
        await self._ask({**_of_message("VoicemailMove", context, box, folder, message), "ToFolder": "Old"})

    async def remove_message(self, context: str, box: str, folder: str, message: str) -> None:
        """Delete a voice mail message, by its id. AmiUnavailable if it is not done."""
        await self._ask(_of_message("VoicemailRemove", context, box, folder, message))

    async def _ask(self, action: dict[str, str], absent: str = "No endpoints found") -> list[Any]:
        """The answers to an action; none if Asterisk says `absent`, which is an answer too."""
        manager = self._manager
        if not self.is_connected:
            raise AmiUnavailable(
                "AMI is not connected at {host}:{port}", host=self.settings.host, port=self.settings.port
            )
        try:
            # as_list stays unsaid: panoramisk sees lists by itself, and told so it waits for ever for a list's end
            # where Asterisk answers with an error.
            answer = await asyncio.wait_for(manager.send_action(action), ANSWER_LIMIT_S)
        except TimeoutError:
            raise AmiUnavailable(
                "no answer by AMI to {action} within {answer_limit_s:.0f} s",
                action=action["Action"],
                answer_limit_s=ANSWER_LIMIT_S,
            ) from None
        answers = answer if isinstance(answer, list) else [answer]
        if answers[0].response not in ("Success", ""):
            if absent in answers[0].message:
                return []
            raise AmiUnavailable(
                "AMI answered {action} with: {message}", action=action["Action"], message=answers[0].message
            )
        return answers

    async def _ping(self) -> None:
        try:
            await self._ask({"Action": "Ping"})
        except AmiUnavailable as error:
            log.warning("%s; connecting again", error)
            self._manager.protocol.transport.abort()  # panoramisk sees it close and comes back
