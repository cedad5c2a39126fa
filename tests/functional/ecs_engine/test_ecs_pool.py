"""Tasks are placed by CPU, memory and GPUs on instances that have joined, and groups grow and shrink for them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from ecs_cloud import TinyEcsEngine, wait_until
from gpu_cloud import AGENT_IMAGE, CLUSTER, JOIN, GpuCloud, resource

from localcloud.engines.cloudformation import CloudFormationEngine
from localcloud.engines.ec2 import Ec2Engine
from localcloud.engines.ec2_machine import MachineSettings
from localcloud.engines.ecs_pool import PoolSettings
from localcloud.server import LocalCloud

WAIT = "import os, time; print('gpus', os.environ.get('NVIDIA_VISIBLE_DEVICES')); time.sleep(600)"


@pytest.fixture
def gpu(tmp_path: Path) -> Iterator[GpuCloud]:
    ec2 = Ec2Engine(MachineSettings(boot_seconds=0.3, halt_seconds=0.1, grace_seconds=2))
    ecs = TinyEcsEngine(PoolSettings(scale_in_seconds=1))
    with LocalCloud(home=tmp_path, engines=[CloudFormationEngine(), ec2, ecs]) as running:
        yield GpuCloud(running.url)


def test_a_task_waits_until_its_group_has_grown_and_the_group_shrinks_again(gpu: GpuCloud):
    gpu.make_group()
    definition = gpu.define(WAIT, gpus=1)
    arn = gpu.run_on_provider(definition, clientToken="t", startedBy="run-1", tags=[{"key": "run", "value": "1"}])[0]
    assert gpu.run_on_provider(definition, clientToken="t", startedBy="run-1", tags=[{"key": "run", "value": "1"}]) == [
        arn
    ]
    seen = [gpu.task(arn)["lastStatus"]]

    def has_run() -> bool:
        seen.append(gpu.task(arn)["lastStatus"])
        return seen[-1] == "RUNNING"

    wait_until(has_run, "the task runs")
    assert list(dict.fromkeys(seen)) == ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"]
    task, instance = gpu.task(arn), gpu.instances()[0]
    assert (task["launchType"], task["capacityProviderName"]) == ("EC2", "pool")
    assert task["containerInstanceArn"] == instance["containerInstanceArn"]
    ids = resource(instance, "GPU", "registeredResources")
    assert task["containers"][0]["gpuIds"] == ids
    assert resource(instance, "GPU") == []
    assert resource(instance, "MEMORY") == resource(instance, "MEMORY", "registeredResources") - 512
    wait_until(lambda: f"gpus {ids[0]}" in gpu.lines(), "the task sees its GPU")
    assert gpu.ecs.list_tasks(cluster=CLUSTER, startedBy="run-1")["taskArns"] == [arn]
    gpu.ecs.stop_task(cluster=CLUSTER, task=arn, reason="enough")
    stopping: list[str] = []

    def is_over() -> bool:
        stopping.append(gpu.task(arn)["lastStatus"])
        return stopping[-1] == "STOPPED"

    wait_until(is_over, "the task stops")
    order = ["DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]
    assert [status for status in order if status in stopping] == list(dict.fromkeys(stopping))
    assert stopping[-2] == "DEPROVISIONING"
    assert (gpu.task(arn)["stopCode"], gpu.task(arn)["stoppedReason"]) == ("UserInitiated", "enough")
    gpu.wait_instances(0)
    group = gpu.groups.describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert (group["DesiredCapacity"], group["Instances"]) == (0, [])


def test_a_task_that_does_not_fit_says_what_is_missing(gpu: GpuCloud):
    with pytest.raises(ClientError, match="No Container Instances were found"):
        gpu.run(gpu.define(WAIT), launchType="EC2")
    gpu.make_group(size=1, scaling="DISABLED")
    instance = gpu.wait_instances(1)[0]["containerInstanceArn"]
    for needs, reason in (
        ({"gpus": 2}, "RESOURCE:GPU"),
        ({"memory": 100_000}, "RESOURCE:MEMORY"),
        ({"cpu": 9000}, "RESOURCE:CPU"),
    ):
        answer = gpu.run(gpu.define(WAIT, **needs), launchType="EC2")
        assert (answer["tasks"], answer["failures"]) == ([], [{"arn": instance, "reason": reason}])
    first = gpu.run(gpu.define(WAIT, gpus=1), launchType="EC2")["tasks"][0]["taskArn"]
    blocked = gpu.ecs.start_task(cluster=CLUSTER, containerInstances=[instance], taskDefinition="train")
    assert blocked["failures"][0]["reason"] == "RESOURCE:GPU"
    gpu.ecs.stop_task(cluster=CLUSTER, task=first)
    gpu.wait(first, "STOPPED")
    started = gpu.ecs.start_task(cluster=CLUSTER, containerInstances=[instance], taskDefinition="train")["tasks"]
    assert gpu.wait(started[0]["taskArn"], "RUNNING")["containers"][0]["gpuIds"]


def test_several_tasks_share_the_gpus_of_an_instance(gpu: GpuCloud):
    gpu.make_group(instance_type="p3.8xlarge", most=1)
    arns = gpu.run_on_provider(gpu.define(WAIT, gpus=2), count=3)
    wait_until(lambda: [gpu.task(arn)["lastStatus"] for arn in arns].count("RUNNING") == 2, "two of three run")
    running = [gpu.task(arn) for arn in arns if gpu.task(arn)["lastStatus"] == "RUNNING"]
    assert len({gpu_id for task in running for gpu_id in task["containers"][0]["gpuIds"]}) == 4
    waiting = next(arn for arn in arns if gpu.task(arn)["lastStatus"] == "PROVISIONING")
    gpu.ecs.stop_task(cluster=CLUSTER, task=running[0]["taskArn"])
    gpu.wait(waiting, "RUNNING")


def test_a_task_ends_with_its_instance(gpu: GpuCloud):
    gpu.make_group(size=1)
    host = gpu.wait_instances(1)[0]["ec2InstanceId"]
    arn = gpu.run(gpu.define(WAIT, gpus=1), launchType="EC2")["tasks"][0]["taskArn"]
    gpu.wait(arn, "RUNNING")
    gpu.ec2.terminate_instances(InstanceIds=[host])
    assert gpu.wait(arn, "STOPPED")["stoppedReason"] == f"Host EC2 (instance {host}) terminated."
    wait_until(lambda: host not in {each["ec2InstanceId"] for each in gpu.instances()}, "the instance has left")


def test_a_waiting_task_can_be_stopped(gpu: GpuCloud):
    gpu.make_group(most=0)
    arn = gpu.run_on_provider(gpu.define(WAIT, gpus=1))[0]
    assert gpu.task(arn)["lastStatus"] == "PROVISIONING"
    gpu.ecs.stop_task(cluster=CLUSTER, task=arn)
    assert gpu.wait(arn, "STOPPED")["stopCode"] == "UserInitiated"


def test_a_template_makes_a_gpu_cluster(gpu: GpuCloud):
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {
                "LaunchTemplateData": {
                    "ImageId": f"resolve:ssm:{AGENT_IMAGE}",
                    "InstanceType": "p3.2xlarge",
                    "IamInstanceProfile": {"Arn": {"Fn::GetAtt": ["Profile", "Arn"]}},
                    "UserData": {"Fn::Base64": JOIN},
                }
            },
        },
        "Group": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "MinSize": "0",
                "MaxSize": "1",
                "AvailabilityZones": ["us-east-1a"],
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Template"},
                    "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                },
            },
        },
        "Provider": {
            "Type": "AWS::ECS::CapacityProvider",
            "Properties": {
                "Name": "stacked",
                "AutoScalingGroupProvider": {
                    "AutoScalingGroupArn": {"Ref": "Group"},
                    "ManagedScaling": {"Status": "ENABLED", "TargetCapacity": 100},
                },
            },
        },
        "Association": {
            "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
            "Properties": {
                "Cluster": CLUSTER,
                "CapacityProviders": [{"Ref": "Provider"}],
                "DefaultCapacityProviderStrategy": [{"CapacityProvider": {"Ref": "Provider"}, "Weight": 1}],
            },
        },
    }
    stacks = gpu.client("cloudformation")
    stacks.create_stack(StackName="gpu", TemplateBody=json.dumps({"Resources": resources}))
    arn = gpu.run(gpu.define(WAIT, gpus=1))["tasks"][0]["taskArn"]
    assert gpu.wait(arn, "RUNNING")["capacityProviderName"] == "stacked"
    host = gpu.ec2.describe_instances(InstanceIds=[gpu.instances()[0]["ec2InstanceId"]])
    assert "instance-profile/gpu-Profile" in host["Reservations"][0]["Instances"][0]["IamInstanceProfile"]["Arn"]
    stacks.delete_stack(StackName="gpu")
    assert gpu.wait(arn, "STOPPED")["stopCode"] == "TerminationNotice"
