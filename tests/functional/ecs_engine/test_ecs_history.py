"""Service deployments can be listed, described and stopped."""

import pytest
from botocore.exceptions import ClientError
from ecs_cloud import Cloud, wait_until


def deployments(cloud: Cloud) -> list[dict]:
    return cloud.ecs.list_service_deployments(cluster="serving", service="models")["serviceDeployments"]


def test_a_rolled_back_deployment_stays_on_record(cloud: Cloud):
    first = cloud.register(VERSION="1")
    cloud.create(first)
    cloud.settle()
    bad = cloud.update(taskDefinition=cloud.register(VERSION="2", BROKEN="yes"))["deployments"][0]["id"]
    wait_until(lambda: deployments(cloud)[0]["status"] == "ROLLBACK_SUCCESSFUL", "the rollback ends")
    failed, good = deployments(cloud)
    assert failed["serviceDeploymentArn"].endswith(bad.removeprefix("ecs-svc"))
    assert good["status"] == "SUCCESSFUL"
    arns = [failed["serviceDeploymentArn"], failed["serviceDeploymentArn"] + "0"]
    told = cloud.ecs.describe_service_deployments(serviceDeploymentArns=arns)
    assert [failure["reason"] for failure in told["failures"]] == ["MISSING"]
    breaker = told["serviceDeployments"][0]["deploymentCircuitBreaker"]
    assert breaker == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    back_to = told["serviceDeployments"][0]["rollback"]["serviceRevisionArn"]
    revisions = cloud.ecs.describe_service_revisions(serviceRevisionArns=[back_to])["serviceRevisions"]
    assert revisions[0]["taskDefinition"] == first


def test_a_deployment_under_way_is_stopped_and_rolled_back(cloud: Cloud):
    cloud.create(cloud.register(VERSION="1"))
    cloud.settle()
    with pytest.raises(ClientError, match="not in progress"):
        cloud.ecs.stop_service_deployment(serviceDeploymentArn=deployments(cloud)[0]["serviceDeploymentArn"])
    cloud.update(taskDefinition=cloud.register(VERSION="2", SICK="yes"))
    wait_until(lambda: len(cloud.tasks()) == 2, "the new task runs")
    cloud.ecs.stop_service_deployment(serviceDeploymentArn=deployments(cloud)[0]["serviceDeploymentArn"])
    wait_until(lambda: deployments(cloud)[0]["status"] == "ROLLBACK_SUCCESSFUL", "the rollback ends")
    assert cloud.get()["version"] == "1"
    assert cloud.ecs.list_service_deployments(cluster="serving", service="models", status=["SUCCESSFUL"])[
        "serviceDeployments"
    ][0]["statusReason"].endswith("completed.")
