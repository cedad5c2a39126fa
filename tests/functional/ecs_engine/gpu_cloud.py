"""A GPU cluster on an Auto Scaling group of P3 instances that join by their user data, and tasks for it."""

from __future__ import annotations

import base64
from typing import Any

import boto3
from ecs_cloud import IMAGE, wait_until

CLUSTER = "gpu"
JOIN = f"#!/bin/bash\necho ECS_CLUSTER={CLUSTER} >> /etc/ecs/ecs.config\n"
AGENT_IMAGE = "/aws/service/ecs/optimized-ami/amazon-linux-2/gpu/recommended/image_id"


class GpuCloud:
    """Clients of one localcloud, and the cluster."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ecs, self.ec2, self.groups, self.logs = map(self.client, ("ecs", "ec2", "autoscaling", "logs"))
        self.image = self.client("ssm").get_parameter(Name=AGENT_IMAGE)["Parameter"]["Value"]
        self.logs.create_log_group(logGroupName="/gpu")
        self.ecs.create_cluster(clusterName=CLUSTER)

    def client(self, name: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(name, endpoint_url=self.url, region_name="us-east-1", **keys)

    def make_group(self, *, size: int = 0, most: int = 2, instance_type: str = "p3.2xlarge", scaling: str = "ENABLED"):
        """Make the launch template, the group and the capacity provider `pool`."""
        user_data = base64.b64encode(JOIN.encode()).decode()
        data = {"ImageId": self.image, "InstanceType": instance_type, "UserData": user_data}
        self.ec2.create_launch_template(LaunchTemplateName="pool", LaunchTemplateData=data)
        self.groups.create_auto_scaling_group(
            AutoScalingGroupName="pool",
            MinSize=0,
            MaxSize=most,
            DesiredCapacity=size,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "pool", "Version": "$Latest"},
        )
        arn = self.groups.describe_auto_scaling_groups()["AutoScalingGroups"][0]["AutoScalingGroupARN"]
        self.ecs.create_capacity_provider(
            name="pool",
            autoScalingGroupProvider={"autoScalingGroupArn": arn, "managedScaling": {"status": scaling}},
        )
        self.ecs.put_cluster_capacity_providers(
            cluster=CLUSTER, capacityProviders=["pool"], defaultCapacityProviderStrategy=[]
        )

    def define(self, code: str, *, gpus: int = 0, memory: int = 512, cpu: int = 256, **more: Any) -> str:
        shape = {
            "name": "work",
            "image": IMAGE,
            "command": ["python", "-c", code],
            "cpu": cpu,
            "memory": memory,
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/gpu", "awslogs-stream-prefix": "t", "awslogs-region": "us-east-1"},
            },
        }
        if gpus:
            shape["resourceRequirements"] = [{"type": "GPU", "value": str(gpus)}]
        made = self.ecs.register_task_definition(
            family="train", requiresCompatibilities=["EC2"], containerDefinitions=[shape | more]
        )
        return made["taskDefinition"]["taskDefinitionArn"]

    def run(self, definition: str, **more: Any) -> dict[str, Any]:
        return self.ecs.run_task(cluster=CLUSTER, taskDefinition=definition, **more)

    def run_on_provider(self, definition: str, **more: Any) -> list[str]:
        strategy = [{"capacityProvider": "pool", "weight": 1}]
        answer = self.run(definition, capacityProviderStrategy=strategy, **more)
        assert answer["failures"] == []
        return [task["taskArn"] for task in answer["tasks"]]

    def task(self, arn: str) -> dict[str, Any]:
        return self.ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]

    def wait(self, arn: str, status: str) -> dict[str, Any]:
        wait_until(lambda: self.task(arn)["lastStatus"] == status, f"{arn} is {status}")
        return self.task(arn)

    def instances(self) -> list[dict[str, Any]]:
        arns = self.ecs.list_container_instances(cluster=CLUSTER)["containerInstanceArns"]
        if not arns:
            return []
        return self.ecs.describe_container_instances(cluster=CLUSTER, containerInstances=arns)["containerInstances"]

    def wait_instances(self, count: int) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.instances()) == count, f"{count} container instances")
        return self.instances()

    def lines(self) -> list[str]:
        return [event["message"] for event in self.logs.filter_log_events(logGroupName="/gpu")["events"]]


def resource(instance: dict[str, Any], name: str, kind: str = "remainingResources") -> Any:
    """Return the value of a resource of a container instance."""
    found = next(each for each in instance[kind] if each["name"] == name)
    return found["stringSetValue"] if found["type"] == "STRINGSET" else found["integerValue"]
