"""The domain's world for tests: moto in this process behind a lock, a clock by hand, and doors that lose responses."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from localcloud.engines.s3_listing import improve_s3
from localcloud.engines.service_quotas import improve_service_quotas
from ratchet import contract
from ratchet.approval import Approvals
from ratchet.aws import Deployment, connect
from ratchet.data import Claims, Custody, DatasetStore, Sightings
from ratchet.registry import ModelVersion, Provenance, Registry, Stage

MUTATING = frozenset({"put_item", "transact_write_items", "put_object"})
APPROVERS = ("alice", "bob")


class HandClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.moment = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Let other threads go on; the hand-moved time stays."""
        time.sleep(seconds)

    def pass_by(self, **time: float) -> None:
        self.moment += timedelta(**time)


class Door:
    """A door to AWS whose calls can be watched and disturbed.

    moto's conditional writes are not atomic across threads: one lock around every call makes them so.
    """

    region = "us-east-1"

    def __init__(self, disturb: Callable[[str, Callable[[], Any]], Any] | None = None) -> None:
        self._aws = connect(self.region)
        self._lock = threading.RLock()
        self._disturb = disturb or (lambda _, call: call())

    def client(self, service: str) -> Any:
        return _Client(self._aws.client(service), self._lock, self._disturb)


@dataclass
class _Client:
    inner: Any
    lock: Any
    disturb: Callable[[str, Callable[[], Any]], Any]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name in ("get_paginator", "meta"):
            return method

        def carry_out(request: dict[str, Any]) -> Any:
            if name in ("copy_object", "complete_multipart_upload") and request.get("IfNoneMatch"):
                self._refuse_what_is_there(name, request)
            return method(**request)

        def call(**request: Any) -> Any:
            with self.lock:
                return self.disturb(name, lambda: carry_out(request))

        return call

    def _refuse_what_is_there(self, name: str, request: dict[str, Any]) -> None:
        """Judge a condition that S3 judges and moto does not: whether the object is there already."""
        try:
            self.inner.head_object(Bucket=request["Bucket"], Key=request["Key"])
        except ClientError:
            return
        raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "it is there"}}, name)


@dataclass
class LostResponse:
    """Lets the n-th mutating call happen and loses its response, once; `seen` names every mutating call."""

    position: int
    seen: list[str] = field(default_factory=list)

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        if name not in MUTATING:
            return call()
        self.seen.append(name)
        answer = call()
        if len(self.seen) == self.position + 1:
            raise ReadTimeoutError(endpoint_url="http://lost")
        return answer


DEPLOYMENT = Deployment(
    **{field.name: field.name.replace("_", "-") for field in fields(Deployment)}
    | {"data_bucket": "ratchet-data", "models_bucket": "ratchet-models", "jobs_bucket": "ratchet-jobs"}
)


def build_world() -> None:
    """Make the buckets and tables."""
    aws = connect(Door.region)
    s3, dynamodb = aws.client("s3"), aws.client("dynamodb")
    for bucket in (DEPLOYMENT.data_bucket, DEPLOYMENT.models_bucket, DEPLOYMENT.jobs_bucket):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for table in (DEPLOYMENT.registry_table, DEPLOYMENT.ledger_table):
        dynamodb.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )


class World:
    """The domain's parts over one door."""

    def __init__(self, folder: Path, clock: HandClock, door: Door | None = None) -> None:
        self.folder = folder
        self.clock = clock
        self.door: Any = door or Door()
        self.deployment = DEPLOYMENT
        self.datasets = DatasetStore(self.door, DEPLOYMENT, clock)
        self.custody = Custody(self.door, DEPLOYMENT, clock, store=self.datasets)
        self.claims = Claims(self.door, DEPLOYMENT, clock)
        self.sightings = Sightings(self.door, DEPLOYMENT, clock)
        self.registry = Registry(self.door, DEPLOYMENT, clock)
        self.approvals = Approvals(self.door, DEPLOYMENT, clock, self.registry)

    def through(self, disturb: Callable[[str, Callable[[], Any]], Any]) -> World:
        """The same world seen through a disturbed door."""
        return World(self.folder, self.clock, Door(disturb))

    def upload(self, key: str, body: bytes, dataset: str = "digits") -> None:
        self.door.client("s3").put_object(Bucket=DEPLOYMENT.data_bucket, Key=f"datasets/{dataset}/{key}", Body=body)

    def register(self, seed: str = "one", model: str = "digits") -> ModelVersion:
        archive = write_archive(self.folder, seed)
        return self.registry.register(model, archive, PROVENANCE, {"accuracy": 0.9}, writer=f"job-{seed}")

    def pass_gates(self, version: ModelVersion) -> ModelVersion:
        return self.registry.move(
            version.model,
            version.version,
            Stage.PASSED,
            expected=Stage.CANDIDATE,
            actor="run r1",
            reason="all gates passed",
        )

    def decide(self, version: ModelVersion, approved: bool = True, who: str = "alice", digest: str = "") -> Any:
        return self.approvals.record(
            version.model,
            version.version,
            digest=digest or version.digest,
            approved=approved,
            who=who,
            comment="looks right",
            approvers=APPROVERS,
            via="airflow",
        )

    def release(self, version: ModelVersion, expected: Stage = Stage.APPROVED) -> ModelVersion:
        return self.registry.move(
            version.model, version.version, Stage.RELEASING, expected=expected, actor="run r1", reason="rollout"
        )

    def prepare_release(self, seed: str) -> ModelVersion:
        """A new version on the way up to the point where it can be promoted."""
        version = self.pass_gates(self.register(seed))
        self.decide(version)
        return self.release(version)

    def promote(self, version: ModelVersion, actor: str = "run r1") -> ModelVersion:
        return self.registry.promote(version.model, version.version, actor=actor, reason="rollout healthy")

    def crown(self, seed: str) -> ModelVersion:
        """A new version all the way up."""
        return self.promote(self.prepare_release(seed))


@contextlib.contextmanager
def fresh_world(folder: Path) -> Iterator[World]:
    """A world of its own, with nothing in it."""
    undo = (improve_s3(), improve_service_quotas())
    try:
        with mock_aws():
            build_world()
            yield World(folder, HandClock())
    finally:
        for restore in undo:
            restore()


PROVENANCE = Provenance(
    pipeline="digits",
    run_id="r1",
    dataset="digits",
    dataset_version="d" * 64,
    code_digest="c" * 64,
    git_commit="abc",
    image_uri="",
    hyperparameters={"epochs": 3, "learning-rate": 0.002, "optimizer": "adam"},
    job_name="digits-train-1",
    billable_seconds=60,
)


def write_archive(folder: Path, seed: str) -> Path:
    """A model archive that keeps the contract; other bytes for every seed, the same for the same one."""
    archive = folder / f"{seed}.tar.gz"
    if archive.exists():
        return archive
    unpacked = folder / f"model-{seed}"
    unpacked.mkdir(exist_ok=True)
    for name in contract.ARTEFACT_FILES:
        (unpacked / name).write_text(f"{name} of {seed}", "utf-8")
    contract.write_manifest(unpacked)
    with gzip.GzipFile(archive, "wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name in (*contract.ARTEFACT_FILES, contract.MANIFEST_FILE):
            body = (unpacked / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return archive
