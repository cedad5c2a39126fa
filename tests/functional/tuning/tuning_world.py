"""A pipeline that tunes a training of no time, with its workshop over a localcloud of its own."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import yaml

from localcloud.engine import Engine, Host
from localcloud.runtime import ROOT, Runtime, Runtimes
from ratchet.aws import Deployment
from ratchet.aws.bucket import Bucket
from ratchet.compute.bundle import build_bundle, upload_bundle
from ratchet.compute.order import JobState
from ratchet.data import ClaimKey
from ratchet.loop.step import archive_uri
from ratchet.loop.study import begin_study, choose_best, end_study
from ratchet.loop.study_watch import StudyWatch
from ratchet.loop.ticket import Ticket
from ratchet.loop.workshop import Workshop
from ratchet.naming import job_output_key
from ratchet.registry import ModelVersion, Provenance, Stage
from ratchet.settings import Settings
from ratchet.spec import load_pipeline
from ratchet.tuning.study import Study
from tests.functional.rollout.rollout_stack import Door
from tests.waiting import wait_until

SOURCE = Path(__file__).with_name("source")
PREPARED = "toy-prepare-1"
DEPLOYMENT = Deployment(
    **{field.name: field.name.replace("_", "-") for field in fields(Deployment)}
    | {"data_bucket": "data", "models_bucket": "models", "jobs_bucket": "jobs"}
    | {"training_role_arn": "arn:aws:iam::123456789012:role/training"}
)
X = {"x": {"type": "continuous", "min": 0, "max": 10}}
TUNING = {"objective": {"metric": "score"}, "ranges": X, "budget": {"jobs": 4}, "parallel": 2, "seed": 7}


def write_source(folder: Path) -> None:
    """The tiny script with what it imports, and the real `tune.py` beside it."""
    shutil.copytree(SOURCE, folder)
    (folder / "ratchet").mkdir()
    for name in ("__init__.py", "contract.py"):
        shutil.copy(ROOT / "ratchet" / name, folder / "ratchet" / name)
    for path in (ROOT / "training").glob("*.py"):
        if path.name != "train.py":
            shutil.copy(path, folder / "training" / path.name)


class WithTinyImage:
    """The SageMaker engine with a small image in AWS's place, whose interpreter is the tests' own or another.

    Parameters
    ----------
    folder
        Gets the image: an interpreter and its `train`.
    """

    name = "sagemaker"

    def __init__(self, inner: Engine, folder: Path, python: Path) -> None:
        self._inner = inner
        self._bin = folder / "bin"
        self._bin.mkdir()
        shutil.copy(Path(__file__).with_name("image_train.py"), self._bin / "train")
        # A link would take the interpreter out of its environment.
        (self._bin / "python").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
        (self._bin / "python").chmod(0o755)

    def install(self, host: Host) -> None:
        self._inner.install(replace(host, runtimes=Runtimes([Runtime("*", self._bin / "python", ())])))

    def close(self) -> None:
        self._inner.close()


def build_world(door: Any) -> None:
    """Make the buckets, the table and what a preparation would have left."""
    for bucket in ("data", "models", "jobs"):
        door.client("s3").create_bucket(Bucket=bucket)
        door.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for table in (DEPLOYMENT.registry_table, DEPLOYMENT.ledger_table):
        door.client("dynamodb").create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz"):
        pass
    Bucket(door, "jobs").put(job_output_key(PREPARED, "model.tar.gz"), sink.getvalue(), content_type="application/gzip")


class TuningWorld:
    """One pipeline and its runs."""

    def __init__(self, url: str, folder: Path, name: str, **tuning: Any) -> None:
        self.door = Door(url)
        self.folder = folder
        self.name = name
        self.configure(**tuning)

    def configure(
        self, hyperparameters: Mapping[str, Any] | None = None, init_from: str = "scratch", **tuning: Any
    ) -> None:
        """Write the pipeline's file anew."""
        raw = yaml.safe_load((ROOT / "pipelines" / "digits.yaml").read_text("utf-8"))
        raw["name"] = self.name
        raw["training"] |= {"source_folder": "source", "hyperparameters": dict(hyperparameters or {"epochs": 2})}
        raw["training"]["init_from"] = init_from
        raw["tuning"] = TUNING | tuning
        path = self.folder / "pipelines" / f"{self.name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(raw, sort_keys=False), "utf-8")
        settings = Settings(region="us-east-1", pipelines_folder=path.parent)
        self.shop = Workshop(load_pipeline(path), settings=settings, aws=cast(Any, self.door), deployment=DEPLOYMENT)

    def state(self, run_id: str = "r1") -> dict[str, Any]:
        """What the steps before would have left."""
        self.door.client("s3").put_object(Bucket="data", Key="datasets/digits/7/a.png", Body=b"seven")
        dataset_version = self.shop.datasets.freeze("digits", "a test").version
        bundle = build_bundle(self.shop.source_folder)
        uri = upload_bundle(cast(Any, self.door), "jobs", bundle)
        identity = run_id.ljust(64, "i")
        self.shop.claims.take(ClaimKey(self.name, dataset_version, identity), holder=run_id)
        ticket = Ticket(True, "new", dataset_version, uri, bundle.digest, "abc", identity)
        return {"ticket": vars(ticket), "prepare_job": PREPARED}

    def crown(self, job: str) -> None:
        """Let a job's model be the champion."""
        origin = Provenance(self.name, "r1", "digits", "d" * 64, "c" * 64, "abc", "", {}, job)
        uri = archive_uri(self.shop, job)
        champion = ModelVersion(self.name, 1, "ab" * 32, uri, "v", Stage.CHAMPION, origin)
        self.shop.registry = cast(Any, SimpleNamespace(champion=lambda model: champion))

    def begin(self, run_id: str = "r1") -> Study:
        return begin_study(self.shop, run_id, self.state(run_id))

    def follow(self, study: Study) -> list[str]:
        """Look until the study has ended; return what was told."""
        watch, told = StudyWatch(self.shop, {"study": study.name}), []

        def look() -> bool:
            seen = watch.look()
            told.extend([*seen.lines, seen.message])
            return seen.done

        wait_until(look, f"the end of {study.name}")
        return told

    def run(self, run_id: str = "r1") -> Study:
        """A study from its beginning to its end."""
        study = self.begin(run_id)
        self.follow(study)
        jobs: Any = self.shop.tuner if study.by_jobs else self.shop.backend
        assert jobs.poll(study.name).state is JobState.SUCCEEDED
        ended = end_study(self.shop, study.name)
        choose_best(self.shop, ended)
        return ended
