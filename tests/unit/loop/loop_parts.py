"""Fakes for the loop: a workshop whose parts answer what a test told them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ratchet.data import Manifest, ObjectEntry
from ratchet.data.manifest import make_manifest
from ratchet.errors import ApprovalError
from ratchet.registry import ModelVersion, Provenance, Stage
from ratchet.rollout.plan import Candidate, Plan
from ratchet.settings import Settings
from ratchet.spec import Pipeline, load_pipeline

ROOT = Path(__file__).resolve().parents[3]
DIGITS = load_pipeline(ROOT / "pipelines" / "digits.yaml")
DIGEST = "ab" * 32
START = datetime(2030, 1, 1, tzinfo=UTC)


def change(pipeline: Pipeline, part: str, **values: Any) -> Pipeline:
    """The pipeline with some keys of one part changed."""
    return pipeline.model_copy(update={part: getattr(pipeline, part).model_copy(update=values)})


def make_version(version: int = 1, stage: Stage = Stage.APPROVED, digest: str = DIGEST) -> ModelVersion:
    origin = Provenance("digits", "r1", "digits", "d" * 64, "c" * 64, "abc", "", {}, "job-1")
    return ModelVersion("digits", version, digest, f"s3://models/digits/{version}/model.tar.gz", "v", stage, origin)


def freeze_keys(*entries: tuple[str, int]) -> Manifest:
    objects = [ObjectEntry(key, "v", size, f"sha256:{key}") for key, size in entries]
    return make_manifest("digits", "data", "datasets/digits/", objects=objects, at="2030")


@dataclass
class HandClock:
    moment: datetime = START
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


@dataclass
class Vault:
    """Registry and approvals in one: one version, and what was decided about it."""

    version: ModelVersion
    decided: Any = None

    def get(self, model: str, version: int) -> ModelVersion:
        return self.version

    def require(self, model: str, version: int, digest: str) -> Any:
        if self.decided is None:
            raise ApprovalError("nobody has decided")
        return self.decided


@dataclass
class Ramp:
    """Releases that only note what was begun."""

    begun: list[tuple[int, str, str]] = field(default_factory=list)

    def plan(self, version: ModelVersion, release: Any) -> Plan:
        candidate = Candidate(version.model, version.version, version.digest, version.uri)
        return Plan(candidate, (), {}, tasks=1, smoke_key="k", smoke_images=1, timeout_seconds=60, fences={})

    def begin(self, version: ModelVersion, plan: Plan, *, run_id: str, actor: str) -> None:
        self.begun.append((version.version, run_id, actor))


class Custodian:
    """Finds everything as it was frozen."""

    def refuse_changes(self, manifest: Manifest) -> None:
        """All is well."""


@dataclass
class Shop:
    """A workshop made of whatever parts a test needs."""

    pipeline: Pipeline = DIGITS
    clock: HandClock = field(default_factory=HandClock)
    datasets: Any = None
    custody: Any = field(default_factory=Custodian)
    registry: Any = None
    approvals: Any = None
    releases: Any = None
    backend: Any = None
    settings: Settings = field(default_factory=Settings)
    deployment: Any = None
    aws: Any = None

    def backend_of(self, compute: str) -> Any:
        return self.backend
