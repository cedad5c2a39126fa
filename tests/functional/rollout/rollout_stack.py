"""The real stack on localcloud, with a small serving image in the real one's place."""

from __future__ import annotations

import base64
import io
import json
import shutil
import socket
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import boto3

from localcloud.engine import Engine, Host
from localcloud.engines import load_engines
from localcloud.engines.ec2 import Ec2Engine
from localcloud.engines.ec2_machine import MachineSettings
from localcloud.engines.sagemaker import SageMakerEngine
from localcloud.engines.sagemaker_site import RunSettings
from localcloud.runtime import ROOT, Runtime, Runtimes
from localcloud.server import LocalCloud
from ratchet import contract
from ratchet.approval import Approvals
from ratchet.aws import Aws, Bucket, Deployment, read_deployment
from ratchet.clock import SystemClock
from ratchet.registry import ModelVersion, Provenance, Registry, Stage
from ratchet.rollout import Releases, live_status
from ratchet.spec import Release as ReleaseSpec

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tiny-serving:1"
MODEL = "digits"
LIMIT_SECONDS = 120.0
SPEC = ReleaseSpec(targets=("ecs", "lambda"), tasks=1, canary_percent=30, smoke_images=2, health_timeout_seconds=60)
_HERE = Path(__file__).parent


class WithTinyImage:
    """An engine that knows the small image beside the real ones."""

    def __init__(self, inner: Engine, image_folder: Path) -> None:
        self._inner = inner
        self._folder = image_folder
        self.name = inner.name

    def install(self, host: Host) -> None:
        # Lambda's runtime interface client lies in the MXNet environment; nothing here imports MXNet.
        python = ROOT / ".venv-mxnet" / "bin" / "python"
        tiny = Runtime("*/tiny-serving:*", python, (self._folder,))
        runtimes = Runtimes([tiny, *host.runtimes.images])
        self._inner.install(replace(host, runtimes=runtimes))

    def close(self) -> None:
        self._inner.close()


def make_cloud(folder: Path) -> tuple[LocalCloud, Path]:
    """A localcloud whose ECS and Lambda run the small image; and the image's folder."""
    image = folder / "image"
    shutil.copytree(_HERE / "image", image)
    engines: list[Engine] = [
        cast("Engine", WithTinyImage(engine, image)) if engine.name in ("ecs", "lambda") else engine
        for engine in load_engines()
        if engine.name not in ("ec2", "sagemaker")
    ]
    engines += [Ec2Engine(MachineSettings(grace_seconds=3)), SageMakerEngine(RunSettings(stop_grace_seconds=3))]
    return LocalCloud(home=folder / "home", engines=engines, enforce_iam=True), image


_IAM_NAMES = {"elbv2": "elasticloadbalancing", "Invoke": "InvokeFunction", "HeadObject": "GetObject"}


class Door:
    """The product's door to AWS, opened on one localcloud; it remembers every action that was called."""

    region = "us-east-1"

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: dict[str, Any] = {}
        self.actions: set[str] = set()

    def client(self, service: str, *, once: bool = False) -> Any:
        if service not in self._clients:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            client = boto3.client(service, region_name=self.region, endpoint_url=self._url, **keys)
            client.meta.events.register("before-call", lambda model, **_: self._remember(service, model.name))
            self._clients[service] = client
        return self._clients[service]

    def _remember(self, service: str, operation: str) -> None:
        self.actions.add(f"{_IAM_NAMES.get(service, service)}:{_IAM_NAMES.get(operation, operation)}")


class Stack:
    """The stack with its registry, and what the tests do to it."""

    def __init__(self, url: str, image: Path, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self._wishes = image / "inference" / "wishes.json"
        self.clock = SystemClock()
        self.deployment = create_stack(cast(Aws, Door(url)))
        self.go_through(cast(Aws, Door(url)))

    def go_through(self, aws: Aws) -> None:
        """Do everything from now on through this door."""
        self.aws = aws
        self.registry = Registry(self.aws, self.deployment, self.clock)
        self.approvals = Approvals(self.aws, self.deployment, self.clock, self.registry)

    @property
    def releases(self) -> Releases:
        """A new process's view."""
        return Releases(self.aws, self.deployment, self.registry, self.approvals, clock=self.clock)

    def approved(self, **faults: str) -> ModelVersion:
        """A version with an approval; its serving processes have the faults, by target."""
        archive = write_archive(self.folder, str(time.monotonic_ns()))
        version = self.registry.register(MODEL, archive, PROVENANCE, {}, writer=archive.stem)
        wishes = json.loads(self._wishes.read_text()) if self._wishes.exists() else {}
        partial = self._wishes.with_suffix(".new")
        partial.write_text(json.dumps(wishes | {version.digest: faults}))
        partial.replace(self._wishes)
        examples = [{"image_base64": base64.b64encode(x.encode()).decode(), "expected_label": x} for x in "7123"]
        key = f"{MODEL}/{version.version}/report/job/smoke.json"
        Bucket(self.aws, self.deployment.models_bucket).put_once(key, json.dumps({"examples": examples}).encode())
        self.registry.record_evaluation(MODEL, version.version, {"job": "job"})
        self.registry.move(
            MODEL, version.version, Stage.PASSED, expected=Stage.CANDIDATE, actor="run", reason="gates passed"
        )
        self.approvals.record(
            MODEL,
            version.version,
            digest=version.digest,
            approved=True,
            who="alice",
            comment="",
            approvers=("alice",),
            via="test",
        )
        return self.registry.get(MODEL, version.version)

    def begin(self, version: ModelVersion, spec: ReleaseSpec = SPEC) -> None:
        now = self.registry.get(MODEL, version.version)
        self.releases.begin(now, self.releases.plan(now, spec), run_id="run", actor="alice")

    def drive(self, version: ModelVersion) -> Any:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (progress := self.releases.open(MODEL, version.version).advance()).done:
            assert time.monotonic() < deadline, progress
            time.sleep(0.2)
        return progress

    def crown(self, version: ModelVersion, spec: ReleaseSpec = SPEC) -> ModelVersion:
        self.begin(version, spec)
        progress = self.drive(version)
        assert progress.succeeded, progress
        return self.releases.promote(MODEL, version.version, actor="run")

    def live(self) -> dict[str, Any]:
        return live_status(self.aws, self.deployment, SPEC.targets)

    def digests(self) -> set[str | None]:
        return {state["digest"] for state in self.live().values()}


def create_stack(aws: Aws) -> Deployment:
    ec2, cloudformation = aws.client("ec2"), aws.client("cloudformation")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    values = {
        "VpcId": vpc,
        "SubnetIds": ",".join(subnet["SubnetId"] for subnet in subnets[:2]),
        "ListenerPort": str(port),
        "ServingImageUri": IMAGE,
        "FunctionUrlAuth": "NONE",
    }
    cloudformation.create_stack(
        StackName="ratchet",
        TemplateBody=(ROOT / "infra" / "ratchet.yaml").read_text("utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    )
    return read_deployment(aws, "ratchet")


def write_archive(folder: Path, seed: str) -> Path:
    """A model archive that keeps the contract; other bytes for every seed."""
    unpacked = folder / f"model-{seed}"
    unpacked.mkdir()
    for name in contract.ARTEFACT_FILES:
        (unpacked / name).write_text(f"{name} of {seed}", "utf-8")
    contract.write_manifest(unpacked)
    archive = folder / f"{seed}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in (*contract.ARTEFACT_FILES, contract.MANIFEST_FILE):
            body = (unpacked / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return archive


PROVENANCE = Provenance(
    pipeline=MODEL,
    run_id="run",
    dataset=MODEL,
    dataset_version="d" * 64,
    code_digest="c" * 64,
    git_commit="abc",
    image_uri="",
    hyperparameters={},
    job_name="job",
)
