"""SageMaker's jobs, really run: the Create calls start processes, and pollers see their states in order.

Moto answers the calls; this engine puts its own training, tuning, processing and transform jobs behind them.
docs/localcloud/sagemaker.md says what is done and what differs from AWS.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult, EmptyResult
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
from moto.sagemaker.responses import SageMakerResponse

from localcloud.backend import every_backend
from localcloud.engine import Host
from localcloud.engines.sagemaker_identity import UniqueRecords
from localcloud.engines.sagemaker_launcher import Launcher
from localcloud.engines.sagemaker_processing_backend import ProcessingBackend
from localcloud.engines.sagemaker_site import RunSettings
from localcloud.engines.sagemaker_transform_backend import TransformBackend
from localcloud.engines.sagemaker_tuning_backend import TuningBackend
from localcloud.environment import read_seconds
from localcloud.patch import change_classes
from localcloud.spot import SpotRefused

_SPOT_MEMBER = "TrainingJobName"


def engine() -> SageMakerEngine:
    """Make the engine, set up by LOCALCLOUD_SAGEMAKER_* variables."""
    return SageMakerEngine(read_settings(os.environ))


def read_settings(environment: Mapping[str, str]) -> RunSettings:
    """Read how jobs are run from an environment; `ValueError` names a variable that is no number."""
    default = RunSettings()
    return RunSettings(
        stop_grace_seconds=read_seconds(
            environment, "LOCALCLOUD_SAGEMAKER_STOP_GRACE_SECONDS", default.stop_grace_seconds
        ),
        checkpoint_look_seconds=read_seconds(
            environment, "LOCALCLOUD_SAGEMAKER_CHECKPOINT_SECONDS", default.checkpoint_look_seconds
        ),
        ping_seconds=read_seconds(environment, "LOCALCLOUD_SAGEMAKER_PING_SECONDS", default.ping_seconds),
        keep_jobs=environment.get("LOCALCLOUD_SAGEMAKER_KEEP_JOBS", "") not in {"", "0", "false"},
    )


class LocalBackend(UniqueRecords, TuningBackend, ProcessingBackend, TransformBackend):
    """Moto's backend with every kind of job that is really run."""


class SageMakerEngine:
    """Hooks the training jobs into moto, and takes them out again."""

    name = "sagemaker"

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._undo: list[Callable[[], None]] = []

    def install(self, host: Host) -> None:
        """Make new backends run jobs, and teach moto's responses the calls."""
        launcher = Launcher(host, self._settings)
        sagemaker_backends.clear()
        sagemaker_backends.backend = type("LocalSageMakerBackend", (LocalBackend,), {"launcher": launcher})
        undo_calls = change_classes((SageMakerResponse, call, _answer(method)) for call, method in _CALLS.items())
        host.spot.register(_SPOT_MEMBER, partial(_notify_spot, region=host.region))
        self._undo = [undo_calls, _restore_backend, launcher.close, partial(host.spot.forget, _SPOT_MEMBER)]

    def resume(self) -> None:
        """End the jobs whose processes died with an earlier localcloud."""
        for backend in every_backend(sagemaker_backends, TuningBackend):
            backend.resume()

    def close(self) -> None:
        """End every job and undo `install`."""
        while self._undo:
            self._undo.pop()()


def _restore_backend() -> None:
    sagemaker_backends.backend = SageMakerModelBackend
    sagemaker_backends.clear()


def _notify_spot(notice: Mapping[str, Any], *, region: str) -> None:
    name, wait_seconds = notice[_SPOT_MEMBER], notice.get("WaitSeconds", 0)
    if isinstance(wait_seconds, bool) or not isinstance(wait_seconds, int | float) or not 0 <= wait_seconds <= 86_400:
        raise SpotRefused("WaitSeconds, the time without capacity, is a number between 0 and 86400")
    backend = sagemaker_backends[DEFAULT_ACCOUNT_ID][str(notice.get("Region", region))]
    job = backend.training_jobs.get(name) if isinstance(name, str) else None
    if job is None:
        raise SpotRefused(f"there is no training job {name}")
    if not job.notify_spot(wait_seconds):
        raise SpotRefused(
            f"the training job {name} holds no Spot capacity: it was made without EnableManagedSpotTraining, or it is "
            "neither Downloading nor Training"
        )


# Each call's method on moto's response class, and the method of our backend that does it.
_CALLS = {
    "create_training_job": "start_training_job",
    "list_training_jobs": "find_training_jobs",
    "stop_training_job": "stop_training_job",
    "delete_training_job": "delete_training_job",
    "create_processing_job": "start_processing_job",
    "describe_processing_job": "look_at_processing_job",
    "list_processing_jobs": "find_processing_jobs",
    "stop_processing_job": "halt_processing_job",
    "delete_processing_job": "drop_processing_job",
    "create_transform_job": "start_transform_job",
    "describe_transform_job": "look_at_transform_job",
    "list_transform_jobs": "find_transform_jobs",
    "stop_transform_job": "halt_transform_job",
    "create_hyper_parameter_tuning_job": "start_tuning_job",
    "describe_hyper_parameter_tuning_job": "look_at_tuning_job",
    "list_hyper_parameter_tuning_jobs": "find_tuning_jobs",
    "list_training_jobs_for_hyper_parameter_tuning_job": "find_children",
    "stop_hyper_parameter_tuning_job": "stop_tuning_job",
    "delete_hyper_parameter_tuning_job": "drop_tuning_job",
}


def _answer(method: str) -> Callable[[Any], Any]:
    """Return what stands in for a method of moto's response class."""

    def answer(response: Any) -> Any:
        found = getattr(response.sagemaker_backend, method)(_plain(response.params))
        return EmptyResult() if found is None else ActionResult(found)

    return answer


def _plain(value: Any) -> Any:
    """Copy moto's parsed parameters into plain dictionaries and lists."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
