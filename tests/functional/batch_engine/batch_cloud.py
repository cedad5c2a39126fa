"""A localcloud with a Batch queue, and what the tests of jobs do with it."""

from __future__ import annotations

import json
from typing import Any

import boto3

from tests.waiting import wait_until

IMAGE = "public.ecr.aws/docker/library/python:3.11"


class BatchCloud:
    """Clients of one localcloud, the environment `machines` and the queue `jobs`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.batch, self.logs, iam, ec2 = map(self.client, ("batch", "logs", "iam", "ec2"))
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        self.role = iam.create_role(RoleName="batch", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.create_instance_profile(InstanceProfileName="batch")
        subnet = ec2.describe_subnets()["Subnets"][0]
        groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])
        self.batch.create_compute_environment(
            computeEnvironmentName="machines",
            type="MANAGED",
            state="ENABLED",
            serviceRole=self.role,
            computeResources={
                "type": "EC2",
                "minvCpus": 0,
                "maxvCpus": 16,
                "desiredvCpus": 0,
                "instanceTypes": ["p3.2xlarge"],
                "subnets": [subnet["SubnetId"]],
                "securityGroupIds": [groups["SecurityGroups"][0]["GroupId"]],
                "instanceRole": "arn:aws:iam::123456789012:instance-profile/batch",
            },
        )
        order = [{"order": 1, "computeEnvironment": "machines"}]
        self.batch.create_job_queue(jobQueueName="jobs", state="ENABLED", priority=1, computeEnvironmentOrder=order)

    def client(self, name: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(name, endpoint_url=self.url, region_name="us-east-1", **keys)

    def define(self, code: str, *, name: str = "work", needs: dict[str, str] | None = None, **more: Any) -> str:
        asked = {"VCPU": "1", "MEMORY": "512"} | (needs or {})
        properties = {
            "image": IMAGE,
            "command": ["python", "-u", "-c", code],
            "resourceRequirements": [{"type": kind, "value": value} for kind, value in asked.items()],
        } | more.pop("container", {})
        made = self.batch.register_job_definition(
            jobDefinitionName=name, type="container", containerProperties=properties, **more
        )
        return made["jobDefinitionArn"]

    def submit(self, definition: str, **more: Any) -> str:
        request = {"jobName": "job", "jobQueue": "jobs", "jobDefinition": definition} | more
        return self.batch.submit_job(**request)["jobId"]

    def job(self, job_id: str) -> dict[str, Any]:
        return self.batch.describe_jobs(jobs=[job_id])["jobs"][0]

    def wait(self, job_id: str, *statuses: str) -> dict[str, Any]:
        wanted = statuses or ("SUCCEEDED", "FAILED")
        wait_until(lambda: self.job(job_id)["status"] in wanted, f"{job_id} is {wanted}")
        return self.job(job_id)

    def lines(self, job_id: str) -> list[str]:
        stream = self.job(job_id)["container"]["logStreamName"]
        events = self.logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)["events"]
        return [event["message"] for event in events]
