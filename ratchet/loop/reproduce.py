"""Make a model version again from what its record says, and hold the new weights against the old ones."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ratchet.aws.bucket import Bucket, split_uri
from ratchet.compute.bundle import build_bundle_at
from ratchet.compute.order import Channel, JobOrder
from ratchet.compute.placement import Offer
from ratchet.contract import PARAMS_FILE, ContractError, digest_of, unpack_archive, verify_manifest
from ratchet.errors import ArtefactError, NotFoundError
from ratchet.loop.place import Placed
from ratchet.loop.step import archive_uri, start_order
from ratchet.loop.workshop import Workshop
from ratchet.naming import CLAIM_TAG, order_key
from ratchet.registry import ModelVersion
from ratchet.registry.weights import Distance, Weights, measure_distance, read_weights


@dataclass(frozen=True)
class Recipe:
    """The two jobs that made a version, to be ordered once more under names of their own."""

    model: ModelVersion
    preparation: JobOrder
    training: JobOrder
    computes: tuple[str, str]  # where each of them ran

    def training_on(self, prepared_uri: str) -> JobOrder:
        """The training, fed with shards that were prepared anew."""
        others = (channel for channel in self.training.channels if channel.name != "prepared")
        return replace(self.training, channels=(Channel("prepared", prepared_uri), *others))


def read_recipe(workshop: Workshop, version: int, *, attempt: int = 1) -> Recipe:
    """What made a version.

    Parameters
    ----------
    attempt
        The jobs of one attempt are found again; another number buys new ones.

    Raises
    ------
    NotFoundError
        When the version was registered before orders were kept.
    """
    model = workshop.registry.get(workshop.pipeline.model_name, version)
    origin = model.provenance
    nonce = digest_of(["reproduce", model.model, version, attempt])
    orders = Bucket(workshop.aws, workshop.deployment.jobs_bucket)
    found = [orders.find(order_key(job)) if job else None for job in (origin.prepare_job, origin.job_name)]
    if None in found:
        raise NotFoundError(
            f"nobody kept what the jobs of {model.model} {version} were asked to do, so they cannot be asked again"
        )
    kept = [json.loads(raw or b"{}") for raw in found]
    preparation, training = (_unclaimed(order, nonce) for order in kept)
    first, second = (str(order.get("compute") or workshop.pipeline.training.compute) for order in kept)
    return Recipe(
        model, preparation, replace(training, image_uri=origin.image_uri or training.image_uri), (first, second)
    )


def _unclaimed(raw: dict[str, Any], nonce: str) -> JobOrder:
    """A job's order once more; nobody claims what is made again, so the first run's claim is no longer on it."""
    order = JobOrder.from_json(raw)
    return replace(order, force_nonce=nonce, tags={key: order.tags[key] for key in order.tags if key != CLAIM_TAG})


def check_code(workshop: Workshop, model: ModelVersion) -> str:
    """Whether the recorded commit gives the code that ran, in words; the stored code is what runs in any case.

    Raises
    ------
    ArtefactError
        When the commit gives other code: then the record is wrong.
    """
    origin = model.provenance
    if origin.git_commit.endswith("+changes") or origin.git_commit == "unknown":
        return f"commit {origin.git_commit}: the stored code {origin.code_digest[:12]} is all there is of it"
    bundle = build_bundle_at(workshop.source_folder, origin.git_commit)
    if bundle is None:
        return f"commit {origin.git_commit[:12]} is not in this checkout: the stored code runs unchecked"
    if bundle.digest != origin.code_digest:
        raise ArtefactError(
            f"commit {origin.git_commit[:12]} gives code {bundle.digest[:12]}, but {origin.code_digest[:12]} is "
            f"recorded for {model.model} {model.version}: the record or the history was changed"
        )
    return f"commit {origin.git_commit[:12]} gives exactly the code that ran, {origin.code_digest[:12]}"


def prepare_again(workshop: Workshop, recipe: Recipe) -> Placed:
    """Start the preparation of the same dataset version, or find it."""
    return _order_again(workshop, recipe.preparation, recipe.computes[0])


def train_again(workshop: Workshop, recipe: Recipe, prepare_job: str) -> Placed:
    """Start the training on what was prepared again, or find it."""
    return _order_again(workshop, recipe.training_on(archive_uri(workshop, prepare_job)), recipe.computes[1])


def _order_again(workshop: Workshop, order: JobOrder, compute: str) -> Placed:
    """On the same machine and no other: another one's results may differ."""
    return start_order(workshop, order, [Offer(compute, order.instance_type, order.spot)], run_id="reproduce")


def compare_weights(workshop: Workshop, model: ModelVersion, train_job: str) -> Distance:
    """How far the weights that were made again are from those of the version."""
    return measure_distance(
        _weights_at(workshop, model.uri, sha256=model.digest), _weights_at(workshop, archive_uri(workshop, train_job))
    )


def _weights_at(workshop: Workshop, uri: str, sha256: str | None = None) -> dict[str, Weights]:
    bucket, key = split_uri(uri)
    with tempfile.TemporaryDirectory(prefix="ratchet-") as name:
        archive, folder = Path(name, "model.tar.gz"), Path(name, "model")
        folder.mkdir()
        Bucket(workshop.aws, bucket).download(key, archive, sha256=sha256)
        try:
            unpack_archive(archive, folder)
            verify_manifest(folder)
        except ContractError as error:
            raise ArtefactError(f"{uri} cannot be compared: {error}") from error
        return read_weights((folder / PARAMS_FILE).read_bytes())
