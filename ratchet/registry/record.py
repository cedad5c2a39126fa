"""How the registry's facts lie in the table: items to frozen data and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ratchet.aws import Item
from ratchet.naming import MODELS_PK, alias_sk, artefact_sk, model_pk, version_sk
from ratchet.registry.version import ModelVersion, Provenance, Stage


@dataclass(frozen=True)
class AliasRecord:
    """Where an alias points, since when, and who put it there.

    `generation` rises by one with every move of the alias.
    """

    version: int
    generation: int
    since: str
    actor: str
    reason: str


@dataclass(frozen=True)
class Birth:
    """What a new version is made of."""

    model: str
    version: int
    digest: str
    uri: str
    provenance: Provenance
    metrics: Mapping[str, float]
    at: str
    writer: str


def new_version_item(birth: Birth) -> Item:
    """The item of a version that was just registered: a candidate."""
    return {
        "pk": model_pk(birth.model),
        "sk": version_sk(birth.version),
        "model": birth.model,
        "version": birth.version,
        "digest": birth.digest,
        "uri": birth.uri,
        "s3_version_id": None,
        "stage": Stage.CANDIDATE,
        "provenance": asdict(birth.provenance),
        "metrics": dict(birth.metrics),
        "evaluation": {},
        "reason": "registered",
        "registered_by": birth.writer,
        "moved_from": "",
        "moved_by": "",
        "created_at": birth.at,
        "updated_at": birth.at,
    }


def artefact_item(model: str, version: int, digest: str) -> Item:
    """What makes an archive's digest unique within a model."""
    return {"pk": model_pk(model), "sk": artefact_sk(digest), "version": version}


def index_item(model: str, at: str) -> Item:
    """What lists a model among the models."""
    return {"pk": MODELS_PK, "sk": model, "since": at}


def alias_item(model: str, alias: str, record: AliasRecord) -> Item:
    """Where an alias points."""
    return {"pk": model_pk(model), "sk": alias_sk(alias), **asdict(record)}


def read_alias(item: Item) -> AliasRecord:
    """Read what `alias_item` wrote."""
    return AliasRecord(**{name: item[name] for name in AliasRecord.__dataclass_fields__})


def read_version(item: Item) -> ModelVersion:
    """Read a version's item."""
    return ModelVersion(
        model=item["model"],
        version=int(item["version"]),
        digest=item["digest"],
        uri=item["uri"],
        s3_version_id=item["s3_version_id"],
        stage=Stage(item["stage"]),
        provenance=Provenance(**item["provenance"]),
        metrics={name: float(value) for name, value in item["metrics"].items()},
        evaluation=item["evaluation"],
        reason=item["reason"],
        created_at=item["created_at"],
        updated_at=item["updated_at"],
    )


def moved_item(item: Item, to: Stage, *, actor: str, reason: str, at: str) -> dict[str, Any]:
    """The item of a version after a move."""
    return {
        **item,
        "stage": to,
        "reason": reason,
        "moved_from": item["stage"],
        "moved_by": actor,
        "updated_at": at,
    }
