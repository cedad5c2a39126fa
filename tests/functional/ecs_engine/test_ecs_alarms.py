"""Deployments heed alarms, and load balancers and tasks count what they do."""

from __future__ import annotations

import contextlib
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ecs_cloud import Cloud, TinyEcsEngine, wait_until

from localcloud.engines.cloudwatch import CloudWatchEngine
from localcloud.engines.elbv2 import Elbv2Engine
from localcloud.server import LocalCloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    engines = [CloudWatchEngine(), TinyEcsEngine(), Elbv2Engine()]
    with LocalCloud(home=tmp_path, engines=engines) as running:
        yield Cloud(running.url)


def put_alarm(cloudwatch: Any, *, missing: str = "ignore") -> None:
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        Namespace="Tests",
        MetricName="errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData=missing,
    )


WITH_ALARMS = {"alarms": {"alarmNames": ["errors"], "enable": True, "rollback": True}}


def test_an_alarm_fails_a_deployment_and_brings_the_last_one_back(cloud):
    cloudwatch = cloud.client("cloudwatch")
    put_alarm(cloudwatch)
    cloud.create(cloud.register(VERSION="1"))
    cloud.settle()
    good = cloud.primary()["taskDefinition"]
    cloud.update(taskDefinition=cloud.register(VERSION="2"), deploymentConfiguration=WITH_ALARMS)
    wait_until(lambda: cloud.get()["version"] == "2", "the new version serves")
    assert cloud.primary()["rolloutState"] == "IN_PROGRESS"  # it bakes: the alarm needs a minute to ring
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="by hand")
    wait_until(lambda: cloud.primary()["taskDefinition"] == good, "it goes back")
    cloud.settle()
    assert any("deployment failed: alarm detected" in message for message in cloud.messages())
    newest = cloud.ecs.list_service_deployments(cluster="serving", service="models")["serviceDeployments"][0]
    arn = newest["serviceDeploymentArn"]
    told = cloud.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]
    assert told["status"] == "ROLLBACK_SUCCESSFUL"
    assert told["alarms"]["triggeredAlarmNames"] == ["errors"]
    assert cloud.get()["version"] == "1"


def test_requests_and_hosts_and_usage_become_metrics(cloud):
    cloud.create(cloud.register(VERSION="1"))
    cloud.settle()
    wait_until(cloud.answers, "it answers")
    began = datetime.now(UTC) - timedelta(minutes=2)
    for _ in range(5):
        cloud.get()
    cloudwatch = cloud.client("cloudwatch")
    balancer = cloud.balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]
    group = cloud.group.rpartition(":")[2]

    def total(name: str, statistic: str = "Sum", **dimensions: str) -> float:
        named = dimensions or {"LoadBalancer": balancer, "TargetGroup": group}
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/ECS" if "ClusterName" in named else "AWS/ApplicationELB",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in named.items()],
            StartTime=began,
            EndTime=datetime.now(UTC) + timedelta(minutes=2),
            Period=60,
            Statistics=[statistic],
        )["Datapoints"]
        return sum(point[statistic] for point in points)

    assert total("RequestCount") >= 5
    assert total("HTTPCode_Target_2XX_Count", LoadBalancer=balancer) == total("RequestCount", LoadBalancer=balancer)
    assert 0 < total("TargetResponseTime", "Maximum") < 20
    wait_until(lambda: total("HealthyHostCount", "Maximum") >= 1, "the healthy host is counted")
    service = {"ClusterName": "serving", "ServiceName": "models"}
    wait_until(lambda: total("MemoryUtilization", "Maximum", **service) > 0, "memory is measured")
    wait_until(lambda: total("CPUUtilization", "SampleCount", **service) > 0, "the processor is measured")
    cloud.update(desiredCount=0)

    def is_refused_and_counted() -> bool:
        with contextlib.suppress(urllib.error.HTTPError):
            cloud.get()
        return total("HTTPCode_ELB_503_Count", LoadBalancer=balancer) >= 1

    wait_until(is_refused_and_counted, "requests without a target are counted")
