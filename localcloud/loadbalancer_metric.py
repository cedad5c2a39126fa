"""What load balancers count: requests, status codes of targets and their own, response times, and who is healthy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from localcloud.loadbalancer_target import TargetState
from localcloud.metric import Metrics, Region, Sample, order_dimensions

NAMESPACE = "AWS/ApplicationELB"


@dataclass
class Exchange:
    """One request through a load balancer, filled in while it is answered.

    Attributes
    ----------
    group
        ARN of the target group that it went to.
    target_status
        What the target answered; None when none did.
    target_seconds
        From the request's way out to the first byte of the answer.
    answered_here
        The rule itself was the answer: a redirect or a fixed response.
    """

    listener: str
    group: str = ""
    target_status: int | None = None
    target_seconds: float | None = None
    connection_errors: int = 0
    chosen: bool = False
    answered_here: str = ""


def record_exchange(metrics: Metrics, exchange: Exchange, status: int) -> None:
    """Count an exchange that was answered with a status."""
    balancer = _balancer_dimension(exchange.listener)
    if balancer is None:
        return
    sets = [order_dimensions({"LoadBalancer": balancer})]
    if exchange.group:
        sets.append(order_dimensions({"LoadBalancer": balancer, "TargetGroup": _group_dimension(exchange.group)}))
    values = list(_values(exchange, status))
    samples = [Sample(NAMESPACE, name, each, value, unit) for each in sets for name, value, unit in values]
    metrics.record(_region(exchange.listener), *samples)


def _values(exchange: Exchange, status: int) -> Iterator[tuple[str, float, str]]:
    if exchange.answered_here:
        yield exchange.answered_here, 1.0, "Count"
        return
    if exchange.chosen:
        yield "RequestCount", 1.0, "Count"
    if exchange.connection_errors:
        yield "TargetConnectionErrorCount", float(exchange.connection_errors), "Count"
    if exchange.target_status is None:
        yield f"HTTPCode_ELB_{status // 100}XX_Count", 1.0, "Count"
        if status >= 500:
            yield f"HTTPCode_ELB_{status}_Count", 1.0, "Count"
        return
    yield f"HTTPCode_Target_{exchange.target_status // 100}XX_Count", 1.0, "Count"
    if exchange.target_seconds is not None:
        yield "TargetResponseTime", exchange.target_seconds, "Seconds"


def host_counts(balancers: Iterable[str], group: str, states: Iterable[TargetState]) -> Iterator[tuple[Region, Sample]]:
    """Yield how many targets of a group are healthy and how many are not, for each load balancer that uses it.

    Parameters
    ----------
    balancers
        ARNs of load balancers.
    group
        ARN of the target group.
    """
    found = list(states)
    healthy = float(found.count(TargetState.HEALTHY))
    unhealthy = float(found.count(TargetState.UNHEALTHY))
    for arn in balancers:
        dimensions = order_dimensions(
            {"LoadBalancer": arn.partition(":loadbalancer/")[2], "TargetGroup": _group_dimension(group)}
        )
        yield _region(arn), Sample(NAMESPACE, "HealthyHostCount", dimensions, healthy, "Count")
        yield _region(arn), Sample(NAMESPACE, "UnHealthyHostCount", dimensions, unhealthy, "Count")


Observe = Callable[[Exchange, int], None]


def _balancer_dimension(listener_arn: str) -> str | None:
    """`app/name/id` of a listener's ARN, which ends `:listener/app/name/id/listener-id`."""
    path = listener_arn.partition(":listener/")[2]
    return path.rpartition("/")[0] or None


def _group_dimension(group_arn: str) -> str:
    return group_arn.rpartition(":")[2]


def _region(arn: str) -> Region:
    _, _, _, region, account, _ = arn.split(":", 5)
    return Region(account, region)
