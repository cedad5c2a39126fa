"""The ELBv2 backend: moto's, with listeners that listen and target groups whose targets are watched."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

from moto.elbv2.exceptions import DuplicateListenerError, DuplicateLoadBalancerName, ELBClientError, InvalidTargetError
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus

from localcloud.loadbalancer import DataPlane, PortUnavailable
from localcloud.loadbalancer_metric import host_counts
from localcloud.loadbalancer_route import Rule, read_rule
from localcloud.loadbalancer_target import HealthCheck, TargetHealth, TargetState
from localcloud.metric import Region, Sample

_DELAY = "deregistration_delay.timeout_seconds"
_ALGORITHM = "load_balancing.algorithm.type"
_NOT_IN_USE = TargetHealth(
    TargetState.UNUSED, "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
)
_NOT_REGISTERED = TargetHealth(
    TargetState.UNUSED, "Target.NotRegistered", "Target is not registered to the target group"
)

_log = logging.getLogger(__name__)


class Backend(ELBv2Backend):  # type: ignore[misc]
    """Load balancers of one account and region."""

    plane: ClassVar[DataPlane]
    dns_name: ClassVar[str]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._lock = threading.RLock()

    def reset(self) -> None:
        """Forget everything; every port is free again."""
        self.close()
        super().reset()

    def resume(self) -> None:
        """Take up what an earlier localcloud left: groups with the targets that were registered, and listeners."""
        for group in list(self.target_groups.values()):
            self._apply_group(group)
            for host, port in sorted(_registered(group)):
                self.plane.register(group.arn, host, port)
        for balancer in list(self.load_balancers.values()):
            for listener in list(balancer.listeners.values()):
                try:
                    self.plane.open_listener(listener.arn, int(listener.port), _read_rules(listener))
                except PortUnavailable as error:
                    _log.warning("the listener %s answers no more: %s", listener.arn, error)

    def close(self) -> None:
        """Free this region's ports and end the looking at targets."""
        for balancer in list(self.load_balancers.values()):
            self._close_listeners(balancer)
        for arn in list(self.target_groups):
            self.plane.drop_group(arn)

    def create_load_balancer(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Make a load balancer; as on AWS, the same request again returns the one that is there."""
        with self._lock:
            made = super().create_load_balancer(name, *args, **kwargs)
            made.dns_name = self.dns_name
            made.activate()
            for other in list(self.load_balancers.values()):
                if other.name == name and other is not made:
                    del self.load_balancers[made.arn]
                    return _same_balancer(other, made)
            return made

    def delete_load_balancer(self, arn: str) -> None:
        """Delete a load balancer and free its ports."""
        with self._lock:
            balancer = self.load_balancers.get(arn)
            if balancer is not None:
                self._close_listeners(balancer)
                self._unlink_groups(arn)
            super().delete_load_balancer(arn)

    def create_listener(
        self, load_balancer_arn: str, protocol: str, port: Any, ssl_policy: str, *args: Any, **kwargs: Any
    ) -> Any:
        """Make a listener and open its port."""
        with self._lock:
            listener = super().create_listener(load_balancer_arn, protocol, port, ssl_policy, *args, **kwargs)
            balancer = self.load_balancers[load_balancer_arn]
            try:
                self._check_listener(balancer, listener)
                self.plane.open_listener(listener.arn, int(port), _read_rules(listener))
            except (ELBClientError, PortUnavailable) as error:
                del balancer.listeners[listener.arn]
                raise _as_client_error(error) from error
            return listener

    def modify_listener(self, arn: str, port: Any = None, protocol: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Change a listener; a new port is opened before the old one is closed."""
        with self._lock:
            before = self.describe_listeners(None, [arn])[0].port
            if port is not None and int(port) != int(before):
                self._probe_port(int(port))
            listener = super().modify_listener(arn, port, protocol, *args, **kwargs)
            if int(listener.port) != int(before):
                self.plane.close_listener(arn)
                self.plane.open_listener(arn, int(listener.port), _read_rules(listener))
            self.plane.set_rules(arn, _read_rules(listener))
            self._link_groups(listener)
            return listener

    def delete_listener(self, listener_arn: str) -> Any:
        """Delete a listener and free its port."""
        with self._lock:
            listener = super().delete_listener(listener_arn)
            self.plane.close_listener(listener_arn)
            return listener

    def create_rule(self, listener_arn: str, *args: Any, **kwargs: Any) -> Any:
        """Add a rule."""
        with self._lock:
            rule = super().create_rule(listener_arn, *args, **kwargs)
            self._apply_rules(listener_arn)
            return rule

    def modify_rule(self, rule_arn: str, *args: Any, **kwargs: Any) -> Any:
        """Change a rule."""
        with self._lock:
            rule = super().modify_rule(rule_arn, *args, **kwargs)
            self._apply_rules(rule.listener_arn)
            return rule

    def delete_rule(self, arn: str) -> None:
        """Delete a rule."""
        with self._lock, contextlib.suppress(ELBClientError):
            listener_arn = self.describe_rules(None, [arn])[0].listener_arn
            super().delete_rule(arn)
            self._apply_rules(listener_arn)

    def set_rule_priorities(self, rule_priorities: list[dict[str, Any]]) -> Any:
        """Order the rules anew."""
        with self._lock:
            rules = super().set_rule_priorities(rule_priorities)
            for listener_arn in {rule.listener_arn for rule in rules}:
                self._apply_rules(listener_arn)
            return rules

    def create_target_group(self, name: str, **kwargs: Any) -> Any:
        """Make a target group; as on AWS, nobody looks at its targets before a listener uses it."""
        with self._lock:
            group = super().create_target_group(name, **kwargs)
            self._apply_group(group)
            return group

    def modify_target_group(self, arn: str, *args: Any, **kwargs: Any) -> Any:
        """Change how targets are looked at."""
        with self._lock:
            group = super().modify_target_group(arn, *args, **kwargs)
            self._apply_group(group)
            return group

    def modify_target_group_attributes(self, target_group_arn: str, attributes: dict[str, Any]) -> None:
        """Change a group's attributes."""
        with self._lock:
            super().modify_target_group_attributes(target_group_arn, attributes)
            self._apply_group(self.target_groups[target_group_arn])

    def delete_target_group(self, target_group_arn: str) -> Any:
        """Delete a target group that no listener uses."""
        with self._lock:
            group = super().delete_target_group(target_group_arn)
            self.plane.drop_group(target_group_arn)
            return group

    def register_targets(self, target_group_arn: str, instances: list[Any]) -> None:
        """Add servers, each an address and a port."""
        group = self._group(target_group_arn)
        for target in instances:
            port = int(target.get("Port") or group.port)
            self.plane.register(group.arn, target["Id"], port)
            _registered(group).add((target["Id"], port))

    def deregister_targets(self, target_group_arn: str, instances: list[dict[str, Any]]) -> None:
        """Drain servers and let them go."""
        group = self._group(target_group_arn)
        for target in instances:
            if self.drain_target(target_group_arn, target["Id"], int(target.get("Port") or group.port)) is None:
                raise InvalidTargetError

    def drain_target(self, target_group_arn: str, host: str, port: int) -> threading.Event | None:
        """Drain one server; the event comes when it is let go, None when it was not in."""
        group = self.target_groups.get(target_group_arn)
        if group is None:
            return None
        _registered(group).discard((host, port))
        delay = float(group.attributes[_DELAY])
        return self.plane.deregister(target_group_arn, host, port, delay_seconds=delay)

    def forget_target(self, target_group_arn: str, host: str, port: int) -> None:
        """Forget a server that died with an earlier localcloud."""
        group = self.target_groups.get(target_group_arn)
        if group is not None:
            _registered(group).discard((host, port))

    def describe_target_health(self, target_group_arn: str, targets: list[dict[str, Any]]) -> list[Any]:
        """Say how servers fare."""
        group = self._group(target_group_arn)
        pool = self.plane.pool(group.arn)
        asked = [(target["Id"], int(target.get("Port") or group.port)) for target in targets]
        found = asked or [target.key for target in pool.targets()]
        return [self._health_status(group, host, port, pool.health(host, port)) for host, port in found]

    def target_health(self, target_group_arn: str, host: str, port: int) -> TargetHealth | None:
        """Return how one server fares; None when it is not in."""
        if target_group_arn not in self.target_groups:
            return None
        return self.plane.pool(target_group_arn).health(host, port)

    def is_used(self, target_group_arn: str) -> bool:
        """Whether a listener sends requests to a group."""
        return bool(self._any_listener_using(target_group_arn))

    def count_hosts(self) -> Iterator[tuple[Region, Sample]]:
        """Yield how many targets of each group in use are healthy, and how many are not."""
        for group in list(self.target_groups.values()):
            states = [target.health.state for target in self.plane.pool(group.arn).targets()]
            yield from host_counts(list(group.load_balancer_arns), group.arn, states)

    def _health_status(self, group: Any, host: str, port: int, health: TargetHealth | None) -> Any:
        if health is None:
            health = _NOT_REGISTERED
        elif not self.is_used(group.arn) and health.state is not TargetState.DRAINING:
            health = _NOT_IN_USE
        check_port = str(port) if group.health_check_port in {None, "traffic-port"} else group.health_check_port
        return FakeHealthStatus(host, str(port), check_port, health.state.value, health.reason, health.description)

    def _group(self, arn: str) -> Any:
        return self.describe_target_groups(None, [arn], None)[0]

    def _apply_group(self, group: Any) -> None:
        least = group.attributes.get(_ALGORITHM) == "least_outstanding_requests"
        self.plane.set_group(group.arn, _read_check(group), least_outstanding=least)

    def _apply_rules(self, listener_arn: str) -> None:
        listener = self.describe_listeners(None, [listener_arn])[0]
        self.plane.set_rules(listener_arn, _read_rules(listener))

    def _check_listener(self, balancer: Any, listener: Any) -> None:
        if listener.protocol != "HTTP":
            raise ELBClientError(
                "InvalidConfigurationRequest", f"localcloud's listeners speak HTTP, not {listener.protocol}"
            )
        if any(
            other is not listener and str(other.port) == str(listener.port) for other in balancer.listeners.values()
        ):
            raise DuplicateListenerError

    def _probe_port(self, port: int) -> None:
        try:
            self.plane.check_port(port)
        except PortUnavailable as error:
            raise _as_client_error(error) from error

    def _link_groups(self, listener: Any) -> None:
        for action in listener.default_actions:
            for arn in self._get_target_group_arns_from(action_data=action.data):
                linked = self.target_groups[arn].load_balancer_arns
                if listener.load_balancer_arn not in linked:
                    linked.append(listener.load_balancer_arn)

    def _unlink_groups(self, balancer_arn: str) -> None:
        for group in self.target_groups.values():
            group.load_balancer_arns = [arn for arn in group.load_balancer_arns if arn != balancer_arn]

    def _close_listeners(self, balancer: Any) -> None:
        for arn in list(balancer.listeners):
            self.plane.close_listener(arn)


def _registered(group: Any) -> set[tuple[str, int]]:
    """Addresses and ports of a group's targets, for a restart; moto keeps none."""
    found: set[tuple[str, int]] = group.__dict__.setdefault("registered", set())
    return found


def _same_balancer(present: Any, wanted: Any) -> Any:
    def settings(balancer: Any) -> tuple[Any, ...]:
        subnets = {subnet.id for subnet in balancer.subnets}
        return subnets, set(balancer.security_groups or []), balancer.scheme, balancer.type

    if settings(present) != settings(wanted):
        raise DuplicateLoadBalancerName
    return present


def _as_client_error(error: Exception) -> ELBClientError:
    if isinstance(error, ELBClientError):
        return error
    return ELBClientError("InvalidConfigurationRequest", str(error))


def _read_rules(listener: Any) -> tuple[Rule, ...]:
    # moto keeps the rules in the order of their making, the default one last.
    rules = sorted(
        (rule for rule in listener.rules.values() if not rule.is_default), key=lambda rule: int(rule.priority)
    )
    shapes = [(rule.conditions or [], rule.actions) for rule in rules] + [([], listener.default_actions)]
    return tuple(read_rule(conditions, [action.data for action in actions]) for conditions, actions in shapes)


def _read_check(group: Any) -> HealthCheck:
    port = group.health_check_port
    return HealthCheck(
        path=group.health_check_path or "/",
        port=None if port in {None, "traffic-port"} else int(port),
        codes=str((getattr(group, "matcher", None) or {}).get("HttpCode") or "200"),
        interval_seconds=float(group.health_check_interval_seconds),
        timeout_seconds=float(group.health_check_timeout_seconds),
        healthy_threshold=int(group.healthy_threshold_count),
        unhealthy_threshold=int(group.unhealthy_threshold_count),
        enabled=bool(group.health_check_enabled),
    )
