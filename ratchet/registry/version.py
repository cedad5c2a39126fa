"""A model version: its stages, their legal moves, and the record that is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Where a model version stands."""

    CANDIDATE = "candidate"
    PASSED = "passed"
    BLOCKED = "blocked"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    RELEASING = "releasing"
    CHAMPION = "champion"
    ROLLED_BACK = "rolled_back"
    RETIRED = "retired"


LEGAL_MOVES: Mapping[Stage, frozenset[Stage]] = {
    Stage.CANDIDATE: frozenset({Stage.PASSED, Stage.BLOCKED}),
    Stage.PASSED: frozenset({Stage.APPROVED, Stage.REJECTED, Stage.EXPIRED}),
    Stage.APPROVED: frozenset({Stage.RELEASING}),
    Stage.RELEASING: frozenset({Stage.CHAMPION, Stage.ROLLED_BACK}),
    Stage.CHAMPION: frozenset({Stage.RETIRED}),
    Stage.RETIRED: frozenset({Stage.RELEASING}),
    Stage.BLOCKED: frozenset(),
    Stage.REJECTED: frozenset(),
    Stage.EXPIRED: frozenset(),
    Stage.ROLLED_BACK: frozenset(),
}


@dataclass(frozen=True)
class Provenance:
    """Where a model came from: enough to make it again."""

    pipeline: str
    run_id: str
    dataset: str
    dataset_version: str
    code_digest: str
    git_commit: str
    image_uri: str
    hyperparameters: Mapping[str, Any]
    job_name: str
    billable_seconds: int | None = None
    prepare_job: str = ""
    parent_version: int | None = None  # the champion it was trained to beat
    cost_usd: float | None = None  # of the training, by list prices; None when nobody knows the price
    saved_usd: float | None = None  # what Spot saved of it
    compute: str = ""  # where it was trained: the backend, and the machine
    instance_type: str = ""
    spot: bool = False
    placement: str = ""  # why it was not trained on the machine that the policy names first; empty when it was
    study: str = ""  # the search whose best trial it is
    trial: int | None = None  # that trial's number


@dataclass(frozen=True)
class ModelVersion:
    """One immutable artefact and what became of it."""

    model: str
    version: int
    digest: str  # SHA-256 of model.tar.gz
    uri: str  # s3://models/<model>/<version>/model.tar.gz
    s3_version_id: str | None  # None until the archive has been stored
    stage: Stage
    provenance: Provenance
    metrics: Mapping[str, float] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""  # why it is in this stage
    created_at: str = ""
    updated_at: str = ""
