"""Carries one training job out, from Starting to its end: on one host or several, once or after each interruption."""

from __future__ import annotations

import shutil
import time
from typing import Any

from localcloud.engines.sagemaker_artefact import upload_folders
from localcloud.engines.sagemaker_channel import Shard, download
from localcloud.engines.sagemaker_checkpoint import CheckpointSync
from localcloud.engines.sagemaker_cluster import EndedBy, Exit, Interrupted
from localcloud.engines.sagemaker_failure import explain_exit
from localcloud.engines.sagemaker_host import Hosts
from localcloud.engines.sagemaker_job import Ending, Phase, TrainingJob
from localcloud.engines.sagemaker_layout import Layout, training_argv
from localcloud.engines.sagemaker_metric import MetricReader, record_objective
from localcloud.engines.sagemaker_record import now
from localcloud.engines.sagemaker_site import Site, limits_of
from localcloud.engines.sagemaker_thread import JobThread
from localcloud.process import Command
from localcloud.runtime import Runtime

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_NO_IMAGE = (
    "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect."
)
_LAST_PHASES = {
    EndedBy.ITSELF: Phase.COMPLETED,
    EndedBy.STOP: Phase.STOPPED,
    EndedBy.TIMEOUT: Phase.MAX_RUNTIME_EXCEEDED,
    EndedBy.WAIT: Phase.MAX_WAIT_TIME_EXCEEDED,
}


class TrainingRun(JobThread[Ending]):
    """One training job under way.

    Parameters
    ----------
    job
        The record to keep up to date.
    site
        Where it runs.
    """

    def __init__(self, job: TrainingJob, site: Site) -> None:
        super().__init__(job, site)
        self.job = job
        self._limits = job.request["StoppingCondition"]
        self._hosts = Hosts(job.request["ResourceConfig"].get("InstanceCount") or 1)
        self._used_seconds = 0.0
        self._wait_deadline = float("inf")
        if job.is_spot:
            self._wait_deadline = time.monotonic() + self._limits["MaxWaitTimeInSeconds"]
        self._layouts: list[Layout] = []
        self._checkpoints: list[CheckpointSync] = []
        self._streams = self._hosts.open_streams(LOG_GROUP, job, site.region)
        self._metrics = MetricReader(job.request["AlgorithmSpecification"].get("MetricDefinitions") or [])

    def carry_out(self) -> Ending:
        """Train, as often as the capacity is taken back, and upload what there is."""
        while (done := self._attempt()).ended_by is EndedBy.SPOT:
            self._wait_for_capacity()
        self.require_open()
        return self._upload(done)

    def fail(self, reason: str) -> Ending:
        """Return the ending of a job that failed."""
        return Ending(Phase.FAILED, reason)

    def end_early(self, ended_by: EndedBy) -> Ending:
        """Return the ending of a job that was ended while no process of it ran."""
        return Ending(_LAST_PHASES[ended_by])

    def reason_to_stop(self) -> EndedBy | None:
        """Return why the job must end now, or None; a Spot notice is the least of the reasons."""
        found = super().reason_to_stop()
        if found is None and time.monotonic() > self._wait_deadline:
            return EndedBy.WAIT
        return EndedBy.SPOT if found is None and self.job.notice_seconds is not None else found

    def patience_seconds(self) -> float:
        """Return how long to sleep at most when nothing wakes us."""
        left = min(super().patience_seconds(), self._wait_deadline - time.monotonic())
        return min(left, self.site.settings.checkpoint_look_seconds) if self._checkpoints else left

    def announce_stop(self, why: EndedBy) -> None:
        """Enter Stopping, unless the job goes on later."""
        if why is not EndedBy.SPOT:
            self.job.move(Phase.STOPPING)

    def look(self) -> None:
        """Upload the checkpoints that have changed."""
        for checkpoints in self._checkpoints:
            checkpoints.push()

    def _attempt(self) -> Exit:
        shutil.rmtree(self.site.folder, ignore_errors=True)
        self._layouts = self._hosts.lay_out(self.site.folder)
        for layout in self._layouts:
            layout.prepare(self.job.request)
        self.pause()
        self.job.move(Phase.DOWNLOADING)
        started = time.monotonic()
        self.deadline = started + self._limits["MaxRuntimeInSeconds"] - self._used_seconds
        try:
            return self._download_and_train()
        except Interrupted as interrupted:
            if interrupted.ended_by is not EndedBy.SPOT:
                raise
            return Exit(0, EndedBy.SPOT)
        finally:
            self._used_seconds += time.monotonic() - started
            self.deadline = float("inf")

    def _download_and_train(self) -> Exit:
        image = self.job.request["AlgorithmSpecification"].get("TrainingImage", "")
        runtime = self.site.resolve_image(image, _NO_IMAGE)
        self._download()
        self.job.move(Phase.TRAINING)
        commands = [self._command(layout, runtime) for layout in self._layouts]
        done = self.cluster().run(self._hosts.under_names(commands, self.site.folder), self, self._read)
        for checkpoints in self._checkpoints:
            checkpoints.push(everything=True)
        return done

    def _download(self) -> None:
        self._checkpoints = []
        for index, layout in enumerate(self._layouts):
            shard = Shard(index, len(self._layouts))
            for channel in self.job.request.get("InputDataConfig") or []:
                folder = layout.channel(channel["ChannelName"])
                download(channel["DataSource"]["S3DataSource"], folder, self.pause, shard)
            self._fetch_checkpoints(layout)
        self.pause()

    def _fetch_checkpoints(self, layout: Layout) -> None:
        config: dict[str, Any] = self.job.request.get("CheckpointConfig") or {}
        if config.get("S3Uri"):
            checkpoints = CheckpointSync(layout.checkpoints(config.get("LocalPath")), config["S3Uri"])
            checkpoints.download()
            self._checkpoints.append(checkpoints)

    def _command(self, layout: Layout, runtime: Runtime) -> Command:
        given = {
            "TRAINING_JOB_NAME": self.job.name,
            "TRAINING_JOB_ARN": self.job.arn,
            **(self.job.request.get("Environment") or {}),
        }
        environment = self.site.container(layout, runtime, role=self.job.request["RoleArn"], given=given)
        argv = training_argv(runtime, self.job.request["AlgorithmSpecification"], environment["PATH"])
        return Command(
            argv=tuple(map(layout.translate, argv)),
            environment=environment,
            cwd=layout.base,
            **limits_of(self.job.request["ResourceConfig"].get("InstanceType", "")),
        )

    def _read(self, host: int, line: str) -> None:
        at = now()
        self._streams[host].write(line)
        for name, value in self._metrics.read(line):
            self.job.record_metric(name, value, at)
            record_objective(self.site.host.metrics, self.site.region, self.job.name, name=name, value=value)

    def _wait_for_capacity(self) -> None:
        """Show the interruption for as long as there is no capacity, then begin anew."""
        seconds = self.job.notice_seconds or 0.0
        self.job.clear_notice()
        self.job.move(Phase.INTERRUPTED)
        self._checkpoints = []
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.pause()
            self.job.wake.wait(min(left, max(0.0, self.patience_seconds())))
            self.job.wake.clear()
        self.pause()
        self.job.move(Phase.STARTING)

    def _upload(self, done: Exit) -> Ending:
        self.job.move(Phase.UPLOADING)
        output = self.job.request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
        folder = f"{output}/{self.job.name}/output"
        failed = done.ended_by is EndedBy.ITSELF and done.code != 0
        told = [layout.failure for layout in self._layouts if layout.failure.is_file()] if failed else []
        data = [layout.output_data for layout in self._layouts]
        upload_folders(data, f"{folder}/output.tar.gz", extra=told[0] if told else None)
        if failed:
            said = told[0].read_text("utf-8", errors="replace").strip() if told else ""
            return Ending(Phase.FAILED, explain_exit(done.code, said))
        model = f"{folder}/model.tar.gz"
        found = upload_folders([layout.model for layout in self._layouts], model)
        return Ending(_LAST_PHASES[done.ended_by], model_uri=model if found else None)
