"""A localcloud with a load balancer in front of the service `models`, and what most tests do with it."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3

from localcloud.engine import Host
from localcloud.engines.ecs import EcsEngine
from localcloud.runtime import Runtime, Runtimes
from tests.waiting import wait_until

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tiny:1"
HERE = Path(__file__).parent
GROUP = "/ecs/models"


class TinyEcsEngine(EcsEngine):
    """ECS with this folder's server as the image `tiny`."""

    def install(self, host: Host) -> None:
        runtimes = Runtimes([Runtime("*/tiny:*", Path(sys.executable), (HERE,), ("python", "-m", "tiny_server"))])
        super().install(replace(host, runtimes=runtimes))


class Cloud:
    """The clients, a cluster, a log group, and a listener that forwards to one target group."""

    def __init__(self, url: str) -> None:
        self.url = url
        ec2, self.elbv2, self.ecs, self.logs = map(self.client, ("ec2", "elbv2", "ecs", "logs"))
        subnets = ec2.describe_subnets()["Subnets"][:2]
        self.vpc = subnets[0]["VpcId"]
        self.subnets = [subnet["SubnetId"] for subnet in subnets]
        self.network = {"awsvpcConfiguration": {"subnets": self.subnets, "securityGroups": []}}
        made = self.elbv2.create_load_balancer(Name="front", Subnets=self.subnets, SecurityGroups=[])
        self.balancer = made["LoadBalancers"][0]
        self.group = self.create_group("models")
        self.port = free_port()
        self.listener = self.elbv2.create_listener(
            LoadBalancerArn=self.balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=self.port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.group}],
        )["Listeners"][0]["ListenerArn"]
        self.logs.create_log_group(logGroupName=GROUP)
        self.ecs.create_cluster(clusterName="serving")

    def client(self, name: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(name, endpoint_url=self.url, region_name="us-east-1", **keys)

    def create_group(self, name: str, **more: Any) -> str:
        request = {
            "Name": name,
            "Protocol": "HTTP",
            "Port": 8080,
            "VpcId": self.vpc,
            "TargetType": "ip",
            "HealthCheckPath": "/health",
            "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 2,
            "UnhealthyThresholdCount": 2,
        }
        return self.elbv2.create_target_group(**(request | more))["TargetGroups"][0]["TargetGroupArn"]

    def register(self, *, container: dict | None = None, **environment: str) -> str:
        """Register the task definition `models`; `container` lays changes over its one container."""
        options = {"awslogs-group": GROUP, "awslogs-stream-prefix": "serve", "awslogs-region": "us-east-1"}
        shape = {
            "name": "server",
            "image": IMAGE,
            "portMappings": [{"containerPort": 8080}],
            "environment": [{"name": key, "value": value} for key, value in environment.items()],
            "stopTimeout": 5,
            "logConfiguration": {"logDriver": "awslogs", "options": options},
        }
        made = self.ecs.register_task_definition(
            family="models",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[shape | (container or {})],
        )
        return made["taskDefinition"]["taskDefinitionArn"]

    def create(self, definition: str, desired: int = 1, **more: Any) -> dict:
        request = {
            "cluster": "serving",
            "serviceName": "models",
            "taskDefinition": definition,
            "desiredCount": desired,
            "launchType": "FARGATE",
            "networkConfiguration": self.network,
            "loadBalancers": [{"targetGroupArn": self.group, "containerName": "server", "containerPort": 8080}],
            "deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        }
        return self.ecs.create_service(**(request | more))["service"]

    def run(self, definition: str, **more: Any) -> list[dict]:
        request = {"cluster": "serving", "taskDefinition": definition, "launchType": "FARGATE"}
        return self.ecs.run_task(**(request | {"networkConfiguration": self.network} | more))["tasks"]

    def update(self, **changes: Any) -> dict:
        return self.ecs.update_service(cluster="serving", service="models", **changes)["service"]

    def service(self) -> dict:
        return self.ecs.describe_services(cluster="serving", services=["models"])["services"][0]

    def primary(self) -> dict:
        return self.service()["deployments"][0]

    def messages(self) -> list[str]:
        return [event["message"] for event in self.service()["events"]]

    def tasks(self, status: str = "RUNNING") -> list[dict]:
        arns = self.ecs.list_tasks(cluster="serving", desiredStatus=status)["taskArns"]
        return self.ecs.describe_tasks(cluster="serving", tasks=arns)["tasks"] if arns else []

    def ended(self, arn: str | None = None) -> list[dict]:
        """Return the tasks that are over."""
        stopped = [task for task in self.tasks("STOPPED") if task["lastStatus"] == "STOPPED"]
        return [task for task in stopped if arn in (None, task["taskArn"])]

    def wait_ended(self, arn: str) -> dict:
        return wait_until(lambda: self.ended(arn), f"{arn} ends")[0]

    def settle(self) -> None:
        wait_until(self.is_settled, "the service settles")

    def is_settled(self) -> bool:
        service = self.service()
        return (
            len(service["deployments"]) == 1
            and service["deployments"][0]["rolloutState"] == "COMPLETED"
            and service["runningCount"] == service["desiredCount"]
        )

    def get(self, path: str = "/", port: int | None = None) -> Any:
        with urllib.request.urlopen(f"http://localhost:{port or self.port}{path}", timeout=10) as answer:
            return json.loads(answer.read())

    def answers(self) -> bool:
        with contextlib.suppress(urllib.error.URLError, OSError):
            return self.get()["version"] is not None
        return False

    def lines(self) -> dict[str, list[str]]:
        """Return the log by stream."""
        events = self.logs.filter_log_events(logGroupName=GROUP)["events"]
        streams: dict[str, list[str]] = {}
        for event in events:
            streams.setdefault(event["logStreamName"], []).append(event["message"])
        return streams


class Load:
    """Requests without a pause, from several threads, until it is left."""

    def __init__(self, cloud: Cloud, threads: int = 4) -> None:
        self.seen: Counter[str] = Counter()
        self.failures: list[str] = []
        self._cloud = cloud
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._drive) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _drive(self) -> None:
        while not self._over.is_set():
            try:
                version = self._cloud.get()["version"]
            except (urllib.error.URLError, OSError, ValueError) as error:
                self.failures.append(repr(error))
            else:
                self.seen[version] += 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
