"""Carries one transform job out: serves the model, sends it the input's records, writes its answers to S3."""

from __future__ import annotations

import gzip
import threading
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from localcloud import storage
from localcloud.engines.ecs_port import Ports
from localcloud.engines.sagemaker_channel import InputFile, list_files, require_data
from localcloud.engines.sagemaker_cluster import EndedBy
from localcloud.engines.sagemaker_failure import JobFailure
from localcloud.engines.sagemaker_layout import Layout
from localcloud.engines.sagemaker_record import JobRecord, Outcome, Status, now
from localcloud.engines.sagemaker_site import Site, limits_of
from localcloud.engines.sagemaker_thread import JobThread
from localcloud.engines.sagemaker_transform_batch import Batching, RecordTooLarge, assemble
from localcloud.engines.sagemaker_transform_request import DEFAULT_PAYLOAD_MB
from localcloud.engines.sagemaker_transform_server import (
    HOST,
    Endpoint,
    InvocationFailed,
    serving_argv,
    unpack_model,
)
from localcloud.journal import LogStream
from localcloud.process import Child, Command

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_LOOK_SECONDS = 0.1
_SEE_LOGS = "See job logs for more information"
_NO_IMAGE = (
    "ClientError: Cannot pull the model's container. Either the image does not exist or its permissions are incorrect."
)
_NO_PING = (
    "ClientError: Model container failed to respond to ping; Please ensure /ping endpoint is implemented and responds "
    "with an HTTP 200 status code"
)


@dataclass(frozen=True)
class Serving:
    """The model of a transform job: its container's definition, and the role that it runs with."""

    container: Mapping[str, Any]
    role: str


class FileFailed(Exception):
    """An input object has no output.

    Attributes
    ----------
    whose
        `ClientError` or `AlgorithmError`.
    said
        Lines for the data log.
    """

    def __init__(self, whose: str, *said: str) -> None:
        super().__init__(whose)
        self.whose = whose
        self.said = said


class TransformRun(JobThread[Outcome]):
    """One transform job under way.

    Parameters
    ----------
    job
        The record to keep up to date.
    site
        Where it runs.
    serving
        The model.
    ports
        Hands out the port that it listens on.
    """

    def __init__(self, job: JobRecord, site: Site, *, serving: Serving, ports: Ports) -> None:
        super().__init__(job, site)
        self.job = job
        self._serving = serving
        self._ports = ports
        self._layout = Layout(site.folder)
        self._input = job.request["TransformInput"]
        self._output = job.request["TransformOutput"]
        self._finished = threading.Event()
        instance = f"{job.name}/i-{uuid.uuid4().hex[:17]}-{int(job.creation_time.timestamp())}"
        self._stream = LogStream(LOG_GROUP, instance, region=site.region)
        self._data_log = LogStream(LOG_GROUP, f"{instance}/data-log", region=site.region)

    def carry_out(self) -> Outcome:
        """Serve the model, and transform one object after the other."""
        port = self._ports.take()
        child: Child | None = None
        try:
            child = self._start(port)
            endpoint = self._endpoint(port)
            self._await_ready(endpoint, child)
            self.job.begin()
            failures = self._transform(endpoint, child)
        finally:
            self._finished.set()
            if child is not None:
                child.stop(0.0 if self.is_closing() else self.site.settings.stop_grace_seconds)
            self._ports.give_back(port)
        self.require_open()
        if failures:
            raise JobFailure(f"{failures[0]}: {_SEE_LOGS}")
        return Outcome(Status.COMPLETED)

    def fail(self, reason: str) -> Outcome:
        """Return the ending of a job that failed."""
        return Outcome(Status.FAILED, reason)

    def end_early(self, ended_by: EndedBy) -> Outcome:
        """Return the ending of a job that was asked to stop."""
        return Outcome(Status.STOPPED)

    def _start(self, port: int) -> Child:
        runtime = self.site.resolve_image(self._serving.container["Image"], _NO_IMAGE)
        (self._layout.root / "tmp").mkdir(parents=True)
        self._layout.model.mkdir(parents=True)
        if self._serving.container.get("ModelDataUrl"):
            unpack_model(self._serving.container["ModelDataUrl"], self._layout)
        environment = self.site.container(self._layout, runtime, role=self._serving.role, given=self._given(port))
        count = self.job.request["TransformResources"]["InstanceCount"]
        if count > 1:
            self._note(f"localcloud serves with one instance, where {count} were asked for")
        command = Command(
            argv=serving_argv(runtime, environment["PATH"]),
            environment=environment,
            cwd=self._layout.base,
            **limits_of(self.job.request["TransformResources"]["InstanceType"]),
        )
        wake = self.job.wake
        return self.site.host.supervisor.start(command, on_line=self._stream.write, on_exit=lambda _code: wake.set())

    def _given(self, port: int) -> dict[str, str]:
        request = self.job.request
        strategy = {"SingleRecord": "SINGLE_RECORD"}.get(request.get("BatchStrategy", ""), "MULTI_RECORD")
        return {
            "SAGEMAKER_BATCH": "true",
            "SAGEMAKER_BATCH_STRATEGY": strategy,
            "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)),
            "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(request.get("MaxConcurrentTransforms") or 1),
            "SM_MODEL_DIR": str(self._layout.model),
            **(self._serving.container.get("Environment") or {}),
            **(request.get("Environment") or {}),
            # Last: on AWS the container has an address of its own, and port 8080 of it.
            "PORT": str(port),
            "SAGEMAKER_BIND_TO_PORT": str(port),
            "HOST": HOST,
        }

    def _endpoint(self, port: int) -> Endpoint:
        config = self.job.request.get("ModelClientConfig") or {}
        return Endpoint(
            port,
            timeout_seconds=config.get("InvocationsTimeoutInSeconds", Endpoint.timeout_seconds),
            retries=config.get("InvocationsMaxRetries", Endpoint.retries),
        )

    def _await_ready(self, endpoint: Endpoint, child: Child) -> None:
        until = time.monotonic() + self.site.settings.ping_seconds
        while not endpoint.is_ready():
            self._require_alive(child)
            if time.monotonic() > until:
                raise JobFailure(_NO_PING)
            self.job.wake.wait(_LOOK_SECONDS)
            self.job.wake.clear()

    def _require_alive(self, child: Child) -> None:
        self.pause()
        if child.poll() is not None:
            raise JobFailure(f"AlgorithmError: {_SEE_LOGS}")

    def _transform(self, endpoint: Endpoint, child: Child) -> list[str]:
        """Transform every object; return whose fault it was for each that has no output."""
        source = self._input["DataSource"]["S3DataSource"]
        complaint = require_data(source, self.site.region, self._serving.role)
        if complaint:
            raise JobFailure(f"ClientError: {complaint}")
        asked = {**endpoint.read_parameters(), **self.job.request}
        workers = max(1, int(asked.get("MaxConcurrentTransforms") or 1))
        batching = Batching(
            by_line=self._input.get("SplitType") == "Line",
            several=str(asked.get("BatchStrategy", "MultiRecord")).replace("_", "").lower() == "multirecord",
            limit_mib=int(asked.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)),
        )
        self._note(
            f"MaxConcurrentTransforms={workers}, MaxPayloadInMB={batching.limit_mib}, BatchStrategy="
            f"{'MULTI_RECORD' if batching.several else 'SINGLE_RECORD'}"
        )
        failures = []
        for file in list_files(source):
            if file.key.endswith("/"):  # a console's folder marker
                continue
            self._require_alive(child)
            try:
                self._transform_file(file, endpoint, batching, workers=workers, child=child)
            except FileFailed as failed:
                failures.append(failed.whose)
                for line in failed.said:
                    self._note(f"{file.bucket}/{file.key}: {line}")
        return failures

    def _transform_file(
        self, file: InputFile, endpoint: Endpoint, batching: Batching, *, workers: int, child: Child
    ) -> None:
        headers = {"Content-Type": self._input.get("ContentType"), "Accept": self._output.get("Accept")}
        given = {name: value for name, value in headers.items() if value}
        pool = ThreadPoolExecutor(workers, thread_name_prefix=f"transform-{self.job.name}")
        answers: list[Future[bytes]] = []
        try:
            for payload in self._payloads(file, batching):
                self._hold(answers, workers, child)
                answers.append(pool.submit(endpoint.invoke, payload, given, self._finished))
            self._hold(answers, 1, child)
            output = assemble(_results(answers), by_line=self._output.get("AssembleWith") == "Line")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        target = f"{self._output['S3OutputPath'].rstrip('/')}/{file.path}.out"
        try:
            storage.put_object(*storage.split_uri(target), output)
        except storage.ObjectNotFound as error:
            raise JobFailure(f"ClientError: Output upload failed:{error}") from error

    def _hold(self, answers: list[Future[bytes]], at_most: int, child: Child) -> None:
        """Wait until fewer than so many invocations are open, or one has failed, or there is a reason to end."""
        while len(running := [answer for answer in answers if not answer.done()]) >= at_most:
            wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            self._require_alive(child)
        _require_none_failed(answers)

    def _payloads(self, file: InputFile, batching: Batching) -> Iterator[bytes]:
        try:
            content = storage.get_object(file.bucket, file.key)
            if self._input.get("CompressionType") == "Gzip":
                content = gzip.decompress(content)
            yield from batching.cut(content)
        except (storage.ObjectNotFound, RecordTooLarge, OSError, EOFError, zlib.error) as error:
            raise FileFailed("ClientError", f"ClientError: {error}") from error

    def _note(self, line: str) -> None:
        at = now().replace(tzinfo=None).isoformat(timespec="milliseconds")
        self._data_log.write(f"{at}:[sagemaker logs]: {line}")


def _results(answers: list[Future[bytes]]) -> list[bytes]:
    _require_none_failed(answers)
    return [answer.result() for answer in answers]


def _require_none_failed(answers: list[Future[bytes]]) -> None:
    for answer in answers:
        error = answer.exception() if answer.done() else None
        if isinstance(error, InvocationFailed):
            whose = "AlgorithmError" if error.status >= 500 else "ClientError"
            raise FileFailed(whose, f"{whose}: {error.status}", "Message:", error.said) from error
        if error is not None:
            raise error
