"""One cause is one incident: metrics that move together are told by the one that leads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ecom_platform.incidents.messages import Messages
from ecom_platform.incidents.model import VALUE, Observation, Severity, State
from ecom_platform.incidents.observe import observe
from ecom_platform.incidents.policy import Policy
from ecom_platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ecom_platform.incidents.model import Fact

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
FRIDAY, SATURDAY = "2026-11-27", "2026-11-28"
LINEAGE = {
    "metrics/total_orders": {"cleaned/orders": 0},
    "metrics/total_customers": {"cleaned/orders": 0},
    "metrics/total_revenue": {"cleaned/payments": 0},
    "metrics/payment_status": {"cleaned/payments": 0},
    "metrics/average_order_value": {
        "metrics/total_orders": 0, "metrics/total_revenue": 0, "cleaned/orders": 0,
        "cleaned/payments": 0,
    },
}  # fmt: skip


def moved(
    *metrics: str,
    change: float = 2,
    region: str | None = None,
    severity: Severity = Severity.WARN,
    day: str = FRIDAY,
    check: str = VALUE,
) -> Iterator[Observation]:
    facts: dict[str, Fact] = {"value": 100 * change, "expected": 100}
    for metric in metrics:
        yield Observation(
            check, f"metrics/{metric}", day, passed=False, at=NOW, region=region,
            severity=severity, facts=facts,
        )  # fmt: skip


def tell(*observations: Iterator[Observation], state: State | None = None) -> tuple[State, str]:
    """Return all incidents, and the ids of the alerts that people get, with what they are about."""
    state = state or State()
    observe(state, [one for some in observations for one in some])
    policy = Policy.of(Settings())
    before = len(state.alerts)
    policy.raise_alerts(state, LINEAGE, NOW)
    return state, "; ".join(alert.subject for alert in state.alerts[before:])


def test_a_busy_friday_is_one_incident_that_lists_what_else_moved() -> None:
    state, told = tell(
        moved("total_revenue", "total_orders", "total_customers", "payment_status"),
        moved("total_orders", "total_revenue", region="north"),
        moved("average_order_value", change=1.5),
    )
    assert told == f"Warning: metrics/total_orders: {VALUE}, {FRIDAY}"
    assert len(state.open) == 7
    assert len(state.causes(NOW)) == 1
    assert "6 more follow from it, and are not told apart:" in state.alerts[0].text
    assert f"  metrics/total_revenue {VALUE}, {FRIDAY}" in state.alerts[0].text
    assert tell(state=state)[1] == ""


def test_an_error_is_never_told_by_a_warning() -> None:
    state, told = tell(moved("total_orders", "total_revenue"))
    assert told.startswith("Warning: metrics/total_orders")
    _, told = tell(moved("total_revenue", severity=Severity.ERROR), state=state)
    assert told == f"Error: metrics/total_revenue: {VALUE}, {FRIDAY}"
    assert [one.asset for one in state.causes(NOW)] == ["metrics/total_revenue"]


def test_two_faults_of_one_day_are_two_incidents() -> None:
    for others in (
        moved("total_revenue", change=0.4),  # the other way
        moved("total_revenue", day=SATURDAY),
        moved("total_revenue", check="shares_are_usual"),
        moved("total_revenue", check="adds_up"),
    ):
        state, told = tell(moved("total_orders"), others)
        assert told.count("Warning: ") == 2
        assert len(state.causes(NOW)) == 2


def test_regions_move_apart_where_the_whole_does_not_move() -> None:
    state, told = tell(
        moved("total_orders", "total_revenue", region="north", change=0.3),
        moved("total_orders", region="south", change=0.3),
    )
    assert told == "; ".join(
        f"Warning: metrics/total_orders ({region}): {VALUE}, {FRIDAY}"
        for region in ("north", "south")
    )
    assert len(state.causes(NOW)) == 2


def test_what_goes_on_alone_is_told_an_hour_after_the_others_are_well() -> None:
    from datetime import timedelta

    from ecom_platform.incidents.parents import GRACE

    state, _ = tell(moved("total_orders", "total_revenue"))
    well = Observation(VALUE, "metrics/total_orders", FRIDAY, passed=True, at=NOW)
    observe(state, [well])
    policy, before = Policy(Messages(Settings()), None, timedelta(days=9)), len(state.alerts)
    policy.raise_alerts(state, LINEAGE, NOW + timedelta(minutes=1))
    policy.raise_alerts(state, LINEAGE, NOW + timedelta(minutes=2) + GRACE)
    told = [alert.subject.partition(",")[0] for alert in state.alerts[before:]]
    assert told == [
        f"Recovered: metrics/total_orders: {VALUE}",
        f"Warning: metrics/total_revenue: {VALUE}",
    ]
