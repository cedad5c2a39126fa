"""Where everything is: the outputs of the CloudFormation stack, read once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

from ratchet.aws.client import Aws
from ratchet.aws.failure import translate_errors
from ratchet.errors import NotFoundError


@dataclass(frozen=True)
class Deployment:
    """The stack's outputs, each under its name in snake case: `data_bucket` is the output `DataBucket`."""

    data_bucket: str
    models_bucket: str
    jobs_bucket: str
    registry_table: str
    ledger_table: str
    arrivals_queue_url: str
    dead_letter_queue_url: str
    notifications_topic_arn: str
    training_role_arn: str
    task_role_arn: str
    execution_role_arn: str
    job_log_group: str
    training_launch_template: str
    training_subnets: str
    training_pool: str
    training_task_family: str
    cluster_name: str
    service_name: str
    service_task_family: str
    target_group_arn: str
    service_url: str
    function_name: str
    function_alias: str
    function_url: str
    inference_image_uri: str
    alarm_names: str


def read_deployment(aws: Aws, stack: str) -> Deployment:
    """Read the stack's outputs.

    Raises
    ------
    NotFoundError
        When the stack or one of its outputs is missing; the message says how to create it.
    """
    with translate_errors(f"read the stack {stack}", "Create it with `ratchet up`, or see docs/aws.md."):
        stacks = aws.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    wanted = {field.name: "".join(part.capitalize() for part in field.name.split("_")) for field in fields(Deployment)}
    missing = sorted(set(wanted.values()) - set(outputs))
    if missing:
        raise NotFoundError(
            f"the stack {stack} has no output {', '.join(missing)}: update it with infra/ratchet.yaml of this release"
        )
    return Deployment(**{name: outputs[key] for name, key in wanted.items()})


@cache
def cached_deployment(region: str, stack: str) -> Deployment:
    """Read the outputs once per process: they change only when the stack is updated."""
    from ratchet.aws.client import connect

    return read_deployment(connect(region), stack)
