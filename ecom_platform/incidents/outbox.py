"""How recorded alerts reach people: each is sent until every channel meant for it has taken it.

An attempt is recorded before it is made, and its outcome after. So a crash never loses an alert,
and sends it twice only when it falls between a channel's answer and the record of it; then both
messages carry the same id.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from ecom_platform.alerts.channels import LOG, Message
from ecom_platform.errors import AlertError
from ecom_platform.incidents.model import Act, Delivery
from ecom_platform.privacy import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ecom_platform.alerts.channels import Channel, Series
    from ecom_platform.alerts.routes import Routes
    from ecom_platform.incidents.model import Alert, State
    from ecom_platform.incidents.store import IncidentStore

#: After a failed attempt: at first, at most. Each pause is twice the one before.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
#: An attempt of which nothing was heard is made again after so long: its process is gone.
LEASE = timedelta(minutes=5)
#: A channel that is down for so long is given up for alerts that another has delivered.
GIVEN_UP_AFTER = timedelta(days=3)
#: Seconds that a round of sending may take; the next one goes on.
ROUND_SECONDS = 25


class Outbox:
    """Sends what is recorded.

    Args:
        store: Where it is recorded.
        channels: Those that are set, and the log; in the order in which one stands in for another.
        routes: Which alert goes to which.
        draw: Returns the picture of an alert, if there is one.
    """

    def __init__(
        self,
        store: IncidentStore,
        channels: Sequence[Channel],
        routes: Routes,
        draw: Callable[[Alert], Series | None],
    ) -> None:
        self._store = store
        self._channels = {channel.name: channel for channel in channels}
        self._routes = routes
        self._draw = draw

    def send(self, clock: Callable[[], datetime]) -> list[str]:
        """Send what is due; return why channels did not take something.

        Args:
            clock: Tells the moment, aware.

        Raises:
            LakeError: The lake cannot be read or written.
        """
        failures: list[str] = []
        down: set[str] = set()
        end = time.monotonic() + ROUND_SECONDS
        while time.monotonic() < end:
            claimed = self._store.update(lambda state: self._claim(state, clock(), down))
            if claimed is None:
                break
            alert, name, message = claimed
            try:
                self._channels[name].send(self._with_picture(message, alert))
            except AlertError as error:
                why = redact(error.message)
                failures.append(redact(str(error)))
                down.add(name)
                self._store.update(
                    partial(self._failed, alert=alert, name=name, why=why, now=clock())
                )
            else:
                self._store.update(partial(self._taken, alert=alert, name=name, now=clock()))
        return failures

    def _with_picture(self, message: Message, alert: Alert) -> Message:
        return replace(message, series=self._draw(alert))

    def _claim(
        self, state: State, now: datetime, down: set[str]
    ) -> tuple[Alert, str, Message] | None:
        """Record an attempt, and return what to send where; None when nothing is due."""
        busy: set[tuple[str, str]] = set()  # (incident, channel): its alerts arrive in order
        for alert in list(state.alerts):
            alert.deliveries = self._deliveries(alert)
            _finish(state, alert)
            for delivery in alert.deliveries:
                if delivery.delivered_at:
                    continue
                place = (alert.incident, delivery.channel)
                due = delivery.next_at is None or delivery.next_at <= now
                if place in busy or delivery.channel in down or not due:
                    busy.add(place)
                    continue
                delivery.attempts += 1
                delivery.next_at = now + LEASE
                message = Message(
                    alert.subject,
                    alert.text,
                    f"{state.uid}.{alert.id}",
                    f"{state.uid}.{alert.incident}",
                    alert.severity.value,
                )
                return alert, delivery.channel, message
        return None

    def _deliveries(self, alert: Alert) -> list[Delivery]:
        """Return where an alert goes: by the routes, without channels that are set no more."""
        before = alert.deliveries or [Delivery(channel=LOG)]
        known = [d for d in before if d.channel in self._channels]
        if alert.deliveries is None or (len(known) < len(before) and len(known) == 1):
            names = [name for name in self._channels if name != LOG]
            routed = self._routes.channels(alert.owner, alert.severity.value, names)
            known += [Delivery(channel=name) for name in routed]
        return known

    def _failed(self, state: State, alert: Alert, name: str, why: str, now: datetime) -> None:
        for found, delivery in _find(state, alert, name):
            delivery.error = why
            delivery.failing_since = delivery.failing_since or now
            delivery.next_at = now + min(
                FIRST_PAUSE * 2 ** min(delivery.attempts - 1, 10), LONGEST_PAUSE
            )
            self._stand_in(found)
            _give_up(found, now)
            _finish(state, found)

    def _stand_in(self, alert: Alert) -> None:
        """Let another channel send what none of those meant for it has taken."""
        deliveries = [d for d in alert.deliveries or () if d.channel != LOG]
        if all(d.error and not d.delivered_at for d in deliveries):
            used = {d.channel for d in deliveries}
            others = [name for name in self._channels if name not in used and name != LOG]
            alert.deliveries = [
                *(alert.deliveries or ()),
                *(Delivery(channel=name) for name in others[:1]),
            ]

    def _taken(self, state: State, alert: Alert, name: str, now: datetime) -> None:
        for found, delivery in _find(state, alert, name):
            delivery.delivered_at = now
            for incident in state.incidents:
                if incident.id == found.incident:
                    incident.log.append(Act(at=now, what=f"alert {found.id}: taken by {name}"))
            _finish(state, found)


def _find(state: State, alert: Alert, name: str) -> list[tuple[Alert, Delivery]]:
    return [
        (found, delivery)
        for found in state.alerts
        for delivery in found.deliveries or ()
        if (found.id, delivery.channel) == (alert.id, name)
    ]


def _finish(state: State, alert: Alert) -> None:
    """Let go of an alert that everybody has."""
    if all(delivery.delivered_at for delivery in alert.deliveries or ()):
        state.alerts = [one for one in state.alerts if one.id != alert.id]


def _give_up(alert: Alert, now: datetime) -> None:
    """Take out channels that are down for long, where another has delivered."""
    deliveries = alert.deliveries or []
    if any(d.delivered_at for d in deliveries if d.channel != LOG):
        alert.deliveries = [
            d
            for d in deliveries
            if d.delivered_at or not d.failing_since or now - d.failing_since <= GIVEN_UP_AFTER
        ]


def undelivered(state: State) -> Mapping[str, datetime]:
    """Return incident -> since when no channel but the log has taken an alert of it."""
    found: dict[str, datetime] = {}
    for alert in state.alerts:
        others = [d for d in alert.deliveries or () if d.channel != LOG]
        if any(d.error for d in others) and not any(d.delivered_at for d in others):
            found.setdefault(alert.incident, alert.at)
    return found
