"""A service, as DescribeServices shows it. Changed under ECS's lock only."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.ecs.models import Service

from localcloud.engines.ecs_deployment import CircuitBreaker, Deployment, RolloutState
from localcloud.engines.ecs_plan import Limits

_EVENTS_KEPT = 100
_DEFAULT_CONFIGURATION: Mapping[str, Any] = {
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "strategy": "ROLLING",
}


class LocalService(Service):  # type: ignore[misc]
    """One service. Public attributes carry the API's names in snake case, as moto's serializer reads them.

    Attributes
    ----------
    rollouts
        The deployments, the primary one first.
    last_completed
        The deployment to go back to.
    history
        Every deployment the service has had, the newest first.
    """

    def __init__(self, backend: Any, cluster: Any, definition: Any, request: Mapping[str, Any]) -> None:
        # Not moto's own: it makes up deployments and counts.
        self._backend = backend
        self._account_id = backend.account_id
        self.region_name = backend.region_name
        self.cluster_name, self.cluster_arn = cluster.name, cluster.arn
        self.name = request["serviceName"]
        self.client_token = request.get("clientToken")
        self.status = "ACTIVE"
        self.created_at = datetime.now(UTC)
        self.desired_count = int(request.get("desiredCount") or 0)
        self.launch_type = request.get("launchType") or "EC2"
        self.platform_version = request.get("platformVersion") or ("LATEST" if self.launch_type == "FARGATE" else None)
        self.platform_family = "Linux"
        self.scheduling_strategy = request.get("schedulingStrategy") or "REPLICA"
        self.deployment_controller = request.get("deploymentController") or {"type": "ECS"}
        self.propagate_tags = request.get("propagateTags") or "NONE"
        self.enable_execute_command = bool(request.get("enableExecuteCommand"))
        self.enable_ecs_managed_tags = bool(request.get("enableECSManagedTags"))
        self.role_arn = request.get("role")
        self.service_registries = request.get("serviceRegistries") or []
        self.tags = request.get("tags") or []
        self.task_sets: list[Any] = []
        self.load_balancers: list[Mapping[str, Any]] = list(request.get("loadBalancers") or [])
        self.network_configuration = dict(request.get("networkConfiguration") or {})
        self.health_check_grace_period_seconds = int(request.get("healthCheckGracePeriodSeconds") or 0)
        self.deployment_configuration = dict(_DEFAULT_CONFIGURATION)
        self.events: list[dict[str, Any]] = []
        self.rollouts: list[Deployment] = []
        self.history: list[Deployment] = []
        self.last_completed: Deployment | None = None
        self.steady = False
        self.template: Mapping[str, Any] = {}
        self.configure(request.get("deploymentConfiguration"))
        self.deploy(definition)

    def resume(self) -> None:
        """Take up what an earlier localcloud left: no task runs, and its clock was another one."""
        self.steady = False
        for deployment in {id(each): each for each in (*self.rollouts, *self.history)}.values():
            deployment.tasks = []
            deployment.held_until_seconds = 0.0
            deployment.ended_at_seconds = None
            deployment.complete_since_seconds = None

    def configure(self, configuration: Mapping[str, Any] | None) -> None:
        """Take over a deploymentConfiguration; what it leaves out stays."""
        self.deployment_configuration = {**self.deployment_configuration, **dict(configuration or {})}

    def deploy(self, definition: Any) -> Deployment:
        """Begin a new deployment; it is the primary one from now on."""
        deployment = Deployment(definition, dict(self.network_configuration), tuple(self.load_balancers))
        self.rollouts.insert(0, deployment)
        self.history.insert(0, deployment)
        self.steady = False
        return deployment

    def note(self, message: str) -> None:
        """Add an event."""
        event = {"id": str(uuid.uuid4()), "createdAt": datetime.now(UTC), "message": f"(service {self.name}) {message}"}
        self.events = [event, *self.events[: _EVENTS_KEPT - 1]]

    def note_once(self, deployment: Deployment, message: str) -> None:
        """Add an event unless this deployment has had it."""
        if message not in deployment.noted:
            deployment.noted.add(message)
            self.note(message)

    @property
    def primary(self) -> Deployment:
        """The deployment that the service is to end up with."""
        return self.rollouts[0]

    @property
    def breaker(self) -> CircuitBreaker:
        """The deployment circuit breaker."""
        return CircuitBreaker.read(self.deployment_configuration)

    @property
    def limits(self) -> Limits:
        """What the scheduler has to keep to."""
        configuration = self.deployment_configuration
        return Limits(
            self.desired_count, int(configuration["minimumHealthyPercent"]), int(configuration["maximumPercent"])
        )

    @property
    def task_definition(self) -> Any:
        """The primary deployment's task definition."""
        return self.history[0].definition.arn if not self.rollouts else self.primary.definition.arn

    @property
    def running_count(self) -> int:
        """Tasks that run."""
        return sum(deployment.running_count for deployment in self.rollouts)

    @property
    def pending_count(self) -> int:
        """Tasks that are about to run."""
        return sum(deployment.pending_count for deployment in self.rollouts)

    @property
    def deployments(self) -> list[dict[str, Any]]:
        """The deployments as the API shows them."""
        launch = {
            "launchType": self.launch_type,
            "platformVersion": self.platform_version,
            "platformFamily": self.platform_family,
        }
        views = []
        for index, deployment in enumerate(self.rollouts):
            failed = deployment.rollout_state is RolloutState.FAILED
            desired = self.desired_count if index == 0 else 0 if failed else len(deployment.live)
            views.append(deployment.view("PRIMARY" if index == 0 else "ACTIVE", desired, launch))
        return views

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether CloudFormation knows an attribute."""
        return attr in {"Name", "ServiceArn"}

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Return what Fn::GetAtt reads."""
        if not self.has_cfn_attr(attribute_name):
            raise UnformattedGetAttTemplateException
        return str(self.name if attribute_name == "Name" else self.arn)
