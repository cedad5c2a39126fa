"""Where an object's bytes went: dataset versions that hold it, models made of those, and what serves them now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ratchet.aws.bucket import Bucket
from ratchet.data import DatasetVersion, ObjectEntry
from ratchet.data.ahead import map_ahead
from ratchet.data.lookup import find_entry
from ratchet.loop.workshop import Workshop
from ratchet.naming import manifest_key
from ratchet.registry import ModelVersion
from ratchet.rollout import live_status

_WORKERS = 16


@dataclass(frozen=True)
class Use:
    """A dataset version that holds an object, and the object's entry in it."""

    version: DatasetVersion
    entry: ObjectEntry


@dataclass(frozen=True)
class Endpoint:
    """A target that serves one of the models now."""

    target: str
    model: str
    version: int


@dataclass(frozen=True)
class Lineage:
    """Everything that used an object."""

    uses: tuple[Use, ...]
    models: tuple[ModelVersion, ...]
    endpoints: tuple[Endpoint, ...]


def trace(workshops: Sequence[Workshop], dataset: str, key: str, version_id: str = "") -> Lineage:
    """Follow an object forward.

    Parameters
    ----------
    workshops
        Those of all pipelines, at least one: their targets are looked at.
    key
        Relative to the dataset's prefix.
    version_id
        Only this version of the object; empty for all.
    """
    uses = tuple(
        use for use in _uses(workshops[0], dataset, key) if not version_id or use.entry.version_id == version_id
    )
    digests = {use.version.version for use in uses}
    registry = workshops[0].registry
    models = tuple(
        model
        for name in registry.models()
        for model in registry.list(name)
        if model.provenance.dataset == dataset and model.provenance.dataset_version in digests
    )
    return Lineage(uses, models, tuple(_serving(workshops, models)))


def _uses(workshop: Workshop, dataset: str, key: str) -> Iterator[Use]:
    def look(row: DatasetVersion) -> tuple[DatasetVersion, ObjectEntry | None]:
        name = manifest_key(dataset, row.version)
        bucket = Bucket(workshop.aws, workshop.deployment.data_bucket)
        if bucket.exists(name):
            return row, find_entry(bucket, name, key)
        objects = workshop.datasets.read(dataset, row.version).objects  # of format 1: one document
        return row, next((entry for entry in objects if entry.key == key), None)

    for row, entry in map_ahead(look, workshop.datasets.list_versions(dataset), workers=_WORKERS):
        if entry is not None:
            yield Use(row, entry)


def _serving(workshops: Sequence[Workshop], models: Sequence[ModelVersion]) -> Iterator[Endpoint]:
    known = {(model.model, model.digest): model.version for model in models}
    seen = set()
    for workshop in workshops if models else ():
        name = workshop.pipeline.model_name
        for target, state in live_status(workshop.aws, workshop.deployment, workshop.pipeline.release.targets).items():
            version = known.get((name, str(state["digest"])))
            if version is not None and (target, name) not in seen:
                seen.add((target, name))
                yield Endpoint(target, name, version)
