"""What the agent is told to do: an order in the words of script mode, with the places in S3 that go with it."""

from __future__ import annotations

from typing import Any

from ratchet.compute.order import JobOrder
from ratchet.contract import metric_regex
from ratchet.naming import checkpoint_prefix, job_output_key, machine_record_key

HEARTBEAT_SECONDS = 15.0
_CHECKPOINT_SECONDS = 10.0
_GRACE_SECONDS = 30.0  # a stop has to be over within a minute


def write_request(order: JobOrder, job: str, *, bucket: str, log_group: str, backend: str) -> dict[str, Any]:
    """Everything that an attempt at a job needs to know, and the order itself for the next attempt."""
    jobs = f"s3://{bucket}"
    return {
        "format": 1,
        "job": job,
        "backend": backend,
        "order": order.to_json(),
        "record_key": machine_record_key(job),
        "log_group": log_group,
        "instance_type": order.instance_type,
        "hyperparameters": order.toolkit_hyperparameters,
        "channels": [
            {"name": channel.name, "uri": channel.uri, "manifest": channel.manifest} for channel in order.channels
        ],
        "metrics": [{"name": name, "regex": metric_regex(name)} for name in order.metrics],
        "output_uri": f"{jobs}/{job_output_key(job, '')}".rstrip("/"),
        "checkpoints_uri": f"{jobs}/{checkpoint_prefix(order.pipeline, order.digest)}" if order.checkpoints else None,
        "max_runtime_seconds": order.max_runtime_seconds,
        "grace_seconds": _GRACE_SECONDS,
        "heartbeat_seconds": HEARTBEAT_SECONDS,
        "checkpoint_seconds": _CHECKPOINT_SECONDS,
    }
