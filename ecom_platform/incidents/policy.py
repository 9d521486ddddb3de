"""When people are told of an incident: by comparing what is with what they were told last.

How it is said is in `messages.py`, how it reaches them in `outbox.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING

from ecom_platform.incidents.messages import Messages
from ecom_platform.incidents.model import NO_DAY, Act, Alert, Kind, Severity, Told
from ecom_platform.incidents.observe import FINE, TOLD
from ecom_platform.incidents.parents import find_parents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from ecom_platform.incidents.model import Incident, State
    from ecom_platform.incidents.parents import Lineage
    from ecom_platform.settings import Settings


@dataclass(frozen=True)
class QuietHours:
    """The time of day in which only new errors are told; from the first moment to before the last.

    Args:
        begin: Business time.
        end: Business time; before `begin` when midnight is between them.
        zone: The business timezone.
    """

    begin: time
    end: time
    zone: ZoneInfo

    def include(self, now: datetime) -> bool:
        """Say whether it is quiet at a moment."""
        clock = now.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end


@dataclass(frozen=True)
class Policy:
    """What is told, and when.

    Args:
        messages: How it is said.
        quiet: Hours of the night, if any.
        remind_after: How long after the last alert an open incident is told of again.
    """

    messages: Messages
    quiet: QuietHours | None
    remind_after: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """Return what the settings say."""
        quiet = None
        if settings.alert_quiet_hours:
            begin, end = map(time.fromisoformat, settings.alert_quiet_hours.split("-"))
            quiet = QuietHours(begin, end, settings.calendar.zone)
        remind_after = timedelta(hours=settings.alert_remind_hours)
        return cls(Messages(settings), quiet, remind_after)

    def raise_alerts(self, state: State, lineage: Lineage, now: datetime) -> None:
        """Record the alerts that are due, and let go of what is over.

        Args:
            state: All incidents.
            lineage: Which asset is computed from which.
            now: The moment, aware.
        """
        find_parents(state, lineage, now)
        for incident in state.incidents:
            kind = self._due(incident, now)
            if kind:
                self._record(state, incident, kind, now)
        state.gone = [incident for incident in state.incidents if _is_over(incident)]
        state.incidents = [one for one in state.incidents if not _is_over(one)]

    def _due(self, incident: Incident, now: datetime) -> Kind | None:
        quiet = self.quiet is not None and self.quiet.include(now)
        if incident.closed:
            ended_untold = incident.told is not None and incident.closed.what not in (FINE, TOLD)
            return Kind.RECOVERED if ended_untold and not quiet else None
        days = incident.own_days(now)
        if incident.told is None:
            news = dict(days)
        else:
            known = incident.told.days
            news = {day: bad for day, bad in days.items() if _is_worse(bad, known.get(day))}
        if news:
            wakes = Severity.ERROR in news.values() and not incident.notice
            if quiet and not wakes:
                return None
            return Kind.WORSENED if incident.told else Kind.OPENED
        if not incident.told or not days or quiet or incident.acknowledged:
            return None
        return Kind.REMINDED if now - incident.told.at >= self.remind_after else None

    def _record(self, state: State, incident: Incident, kind: Kind, now: datetime) -> None:
        incident.alerts += 1
        subject, text = self.messages.write(state, incident, kind, now)
        name = f"{incident.id}.{incident.alerts}"
        state.alerts.append(
            Alert(
                id=name,
                incident=incident.id,
                kind=kind,
                at=now,
                severity=incident.worst,
                owner=incident.owner,
                asset=incident.asset,
                region=incident.region,
                day=max(incident.days or incident.ever, default=NO_DAY),
                subject=subject,
                text=text,
            )
        )
        incident.log.append(Act(at=now, what=f"alert {name}: {kind.value}"))
        known: Mapping[str, Severity] = incident.told.days if incident.told else {}
        incident.told = Told(at=now, days={**known, **incident.own_days(now)})
        if kind is Kind.RECOVERED:
            incident.told = None
        elif incident.notice:
            incident.closed = Act(at=now, what=TOLD)


def _is_worse(now: Severity, before: Severity | None) -> bool:
    return before is None or (now is Severity.ERROR and before is Severity.WARN)


def _is_over(incident: Incident) -> bool:
    """Say whether nobody is to hear more of it."""
    if incident.closed is None:
        return False
    return incident.told is None or incident.closed.what in (FINE, TOLD)
