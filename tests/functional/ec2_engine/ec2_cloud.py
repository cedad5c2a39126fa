"""A localcloud for the tests of instances, and the few things that all of them do with it."""

from __future__ import annotations

import json
from typing import Any

import boto3

from ratchet.aws.signed import send_signed
from tests.waiting import wait_until

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
IMAGE_PARAMETER = "/aws/service/deeplearning/ami/x86_64/base-proprietary-nvidia-driver-gpu-amazon-linux-2/latest/ami-id"


class Cloud:
    """Clients of one localcloud."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ec2 = self.client("ec2")
        self.image = self.client("ssm").get_parameter(Name=IMAGE_PARAMETER)["Parameter"]["Value"]

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def run(self, script: str = "", **more: Any) -> str:
        """Start one instance and return its id."""
        return self.run_many(script, **more)[0]

    def run_many(self, script: str = "", **more: Any) -> list[str]:
        asked = {"ImageId": self.image, "InstanceType": "p3.2xlarge", "MinCount": 1, "MaxCount": 1} | more
        if script:
            asked["UserData"] = script
        return [instance["InstanceId"] for instance in self.ec2.run_instances(**asked)["Instances"]]

    def describe(self, instance_id: str) -> dict[str, Any]:
        return self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]

    def state(self, instance_id: str) -> str:
        return self.describe(instance_id)["State"]["Name"]

    def console(self, instance_id: str) -> str:
        return self.ec2.get_console_output(InstanceId=instance_id).get("Output", "")

    def wait_console(self, instance_id: str, text: str) -> str:
        wait_until(lambda: text in self.console(instance_id), f"{text!r} on the console")
        return self.console(instance_id)

    def wait_state(self, instance_id: str, state: str) -> dict[str, Any]:
        wait_until(lambda: self.state(instance_id) == state, f"{instance_id} is {state}")
        return self.describe(instance_id)

    def profile(self, name: str) -> str:
        """Make a role and its instance profile, and return the role's ARN."""
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        return role

    def interrupt(self, **request: Any) -> tuple[int, dict[str, Any]]:
        url, key = f"{self.url}/_localcloud/spot", ("test", "test")
        return send_signed("POST", url, request, region="us-east-1", key=key)


def watch_states(cloud: Cloud, instance_id: str, last: str) -> list[str]:
    """Return each state that a poller sees, in order and once."""
    seen: list[str] = []

    def look() -> bool:
        state = cloud.state(instance_id)
        if not seen or seen[-1] != state:
            seen.append(state)
        return state == last

    wait_until(look, f"{instance_id} is {last}")
    return seen
