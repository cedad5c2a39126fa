"""What the console's page of a training job shows: its description and the lines of its log."""

from __future__ import annotations

from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.logs.models import logs_backends
from moto.sagemaker.models import sagemaker_backends

_LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_ENDED = frozenset({"Completed", "Failed", "Stopped"})
_SHOWN_LINES = 2000


def describe_job(name: str, *, region: str) -> dict[str, Any]:
    """Return `about`, `lines` and `ended` of a training job.

    Raises
    ------
    KeyError
        When there is no such job.
    """
    backend = sagemaker_backends[DEFAULT_ACCOUNT_ID][region]
    if name not in backend.training_jobs:
        raise KeyError(name)
    about = backend.describe_training_job(name)
    return {
        "about": about,
        "lines": _lines(name, region)[-_SHOWN_LINES:],
        "ended": about.get("TrainingJobStatus") in _ENDED,
    }


def _lines(name: str, region: str) -> list[str]:
    group = logs_backends[DEFAULT_ACCOUNT_ID][region].groups.get(_LOG_GROUP)
    streams = [] if group is None else list(group.streams.items())
    return [event.message for stream, found in streams if stream.startswith(f"{name}/") for event in list(found.events)]
