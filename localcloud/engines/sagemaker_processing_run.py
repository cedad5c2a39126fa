"""Carries one processing job out: inputs from S3, the container's command on each host, outputs to S3."""

from __future__ import annotations

import json
import time
from typing import Any

from localcloud.engines.sagemaker_channel import Shard, download, require_data
from localcloud.engines.sagemaker_checkpoint import CheckpointSync
from localcloud.engines.sagemaker_cluster import EndedBy, Exit
from localcloud.engines.sagemaker_failure import REASON_LIMIT, JobFailure, explain_exit
from localcloud.engines.sagemaker_host import Hosts
from localcloud.engines.sagemaker_layout import Layout
from localcloud.engines.sagemaker_processing_request import inputs_of, outputs_of
from localcloud.engines.sagemaker_record import JobRecord, Outcome, Status
from localcloud.engines.sagemaker_site import Site, limits_of
from localcloud.engines.sagemaker_thread import JobThread
from localcloud.process import Command
from localcloud.runtime import Runtime

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_DEFAULT_RUNTIME_SECONDS = 86_400
_NO_IMAGE = (
    "ClientError: Cannot pull processing container. Either the image does not exist or its permissions are incorrect."
)


class ProcessingRun(JobThread[Outcome]):
    """One processing job under way.

    Parameters
    ----------
    job
        The record to keep up to date.
    site
        Where it runs.
    """

    def __init__(self, job: JobRecord, site: Site) -> None:
        super().__init__(job, site)
        self.job = job
        self._cluster_config = job.request["ProcessingResources"]["ClusterConfig"]
        self._hosts = Hosts(self._cluster_config["InstanceCount"])
        self._layouts: list[Layout] = []
        self._streams = self._hosts.open_streams(LOG_GROUP, job, site.region)
        self._continuous: list[CheckpointSync] = []
        self._at_the_end: list[CheckpointSync] = []

    def carry_out(self) -> Outcome:
        """Fetch the inputs, run the command, upload the outputs."""
        runtime = self.site.resolve_image(self.job.request["AppSpecification"]["ImageUri"], _NO_IMAGE)
        self._layouts = self._hosts.lay_out(self.site.folder)
        for index, layout in enumerate(self._layouts):
            self._prepare(layout)
            self._fetch(layout, Shard(index, len(self._layouts)))
        self.pause()
        self.job.begin()
        condition = self.job.request.get("StoppingCondition") or {}
        self.deadline = time.monotonic() + condition.get("MaxRuntimeInSeconds", _DEFAULT_RUNTIME_SECONDS)
        commands = [self._command(layout, runtime) for layout in self._layouts]
        done = self.cluster().run(self._hosts.under_names(commands, self.site.folder), self, self._read)
        return self._upload(done)

    def fail(self, reason: str) -> Outcome:
        """Return the ending of a job that failed."""
        return Outcome(Status.FAILED, reason)

    def end_early(self, ended_by: EndedBy) -> Outcome:
        """Return the ending of a job that was ended before its command ran."""
        return Outcome(Status.STOPPED)

    def look(self) -> None:
        """Upload what has changed in the continuous outputs."""
        for output in self._continuous:
            output.push()

    def patience_seconds(self) -> float:
        """Return how long to sleep at most when nothing wakes us."""
        left = super().patience_seconds()
        return min(left, self.site.settings.checkpoint_look_seconds) if self._continuous else left

    def _prepare(self, layout: Layout) -> None:
        config = layout.base / "config"
        for folder in (config, layout.base / "processing", layout.base / "output", layout.root / "tmp"):
            folder.mkdir(parents=True)
        described = {"ProcessingJobArn": self.job.arn, **self.job.request}
        resources = {"current_host": layout.host, "hosts": list(layout.hosts)}
        for name, content in (("processingjobconfig", described), ("resourceconfig", resources)):
            (config / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")

    def _fetch(self, layout: Layout, shard: Shard) -> None:
        for found in inputs_of(self.job.request):
            source = found["S3Input"]
            complaint = require_data(source, self.site.region, self.job.request["RoleArn"])
            if complaint:
                raise JobFailure(f"ClientError: Failed to download data. {complaint}")
            folder = layout.locate(source["LocalPath"])
            download(source, folder or layout.base, self.pause, shard)
        for found in outputs_of(self.job.request):
            target = found["S3Output"]
            folder = layout.locate(target["LocalPath"]) or layout.base
            folder.mkdir(parents=True, exist_ok=True)
            uploads = self._continuous if target["S3UploadMode"] == "Continuous" else self._at_the_end
            uploads.append(CheckpointSync(folder, target["S3Uri"], what="Output"))

    def _command(self, layout: Layout, runtime: Runtime) -> Command:
        wanted = self.job.request["AppSpecification"]
        argv = runtime.argv(
            [*(wanted.get("ContainerEntrypoint") or runtime.command), *(wanted.get("ContainerArguments") or [])]
        )
        if not argv:
            raise JobFailure(
                f"ClientError: {wanted['ImageUri']} has no command of its own here: give it a ContainerEntrypoint."
            )
        given = self.job.request.get("Environment") or {}
        return Command(
            argv=tuple(map(layout.translate, argv)),
            environment=self.site.container(layout, runtime, role=self.job.request["RoleArn"], given=given),
            cwd=layout.base,
            **limits_of(self._cluster_config["InstanceType"]),
        )

    def _read(self, host: int, line: str) -> None:
        self._streams[host].write(line)

    def _upload(self, done: Exit) -> Outcome:
        for output in self._continuous:
            output.push(everything=True)
        self.require_open()
        more = self._message()
        if done.ended_by is not EndedBy.ITSELF:
            return Outcome(Status.STOPPED, more=more)
        if done.code != 0:
            return Outcome(Status.FAILED, explain_exit(done.code, ""), more)
        for output in self._at_the_end:
            output.push(everything=True)
        return Outcome(Status.COMPLETED, more=more)

    def _message(self) -> dict[str, Any]:
        """Return what the command left in /opt/ml/output/message, on the first host that left something."""
        for layout in self._layouts:
            file = layout.base / "output" / "message"
            if file.is_file():
                return {"ExitMessage": file.read_text("utf-8", errors="replace")[:REASON_LIMIT]}
        return {}
