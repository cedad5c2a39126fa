"""The three jobs of a run as orders: pure functions from the spec and what came before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ratchet.compute.order import Channel, JobOrder
from ratchet.compute.placement import Offer
from ratchet.contract import METRIC_NAMES, digest_of
from ratchet.dataset_spec import Data
from ratchet.naming import channel_manifest_key, copies_manifest_key, machine_type, manifest_key, run_tags
from ratchet.spec import Pipeline

# The same work, whatever is paid for it.
_HOW_IT_IS_BOUGHT = {"capacity_wait_seconds", "checkpoints", "fallback", "spot", "spot_wait_seconds"}
EVALUATION_METRICS = ("challenger_accuracy", "champion_accuracy")


class Step(StrEnum):
    """The steps of the loop that run as remote jobs."""

    PREPARE = "prepare"
    TRAIN = "train"
    EVALUATE = "evaluate"


@dataclass(frozen=True)
class Artefact:
    """A model archive and what it must hash to."""

    uri: str
    digest: str


def identify_work(pipeline: Pipeline, code_digest: str, force_nonce: str = "", image_uri: str = "") -> str:
    """Digest of what a run would do with a dataset version: code, image, data rules and training parameters."""
    rules = pipeline.data.model_dump(mode="json", exclude={"quiet_seconds", "max_wait_seconds"})
    training = pipeline.training.model_dump(mode="json", exclude=_HOW_IT_IS_BOUGHT)
    if image_uri:
        training["image_uri"] = image_uri
    work = [pipeline.name, code_digest, rules, training, force_nonce]
    return digest_of([*work, pipeline.tuning.model_dump(mode="json")] if pipeline.tuning else work)


def list_offers(pipeline: Pipeline, step: Step) -> tuple[Offer, ...]:
    """Machines that a step may run on, in the order in which they are tried; none twice."""
    training = pipeline.training
    if step is not Step.TRAIN:
        return (Offer(training.compute, training.preparation_instance_type),)
    first = Offer(training.compute, training.instance_type, training.spot)
    others = (
        Offer(
            other.compute or first.compute,
            machine_type(other.compute or first.compute, other.instance_type or first.instance_type),
            first.spot if other.spot is None else other.spot,
        )
        for other in training.fallback
    )
    return tuple(dict.fromkeys((first, *others)))


class OrderBook:
    """Writes a run's orders.

    Parameters
    ----------
    pipeline
        The spec.
    code_uri
        Where the source bundle lies.
    run_id
        Who pays: goes into the tags.
    claim
        The claim that the run works under; empty when it has none.
    force_nonce
        Makes a forced rerun's jobs other jobs; empty otherwise.
    image_uri
        The pipeline's own image, by its digest; empty for what the spec says.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        code_uri: str,
        run_id: str,
        claim: str = "",
        force_nonce: str = "",
        image_uri: str = "",
    ) -> None:
        self.pipeline = pipeline
        self.code_uri = code_uri
        self.run_id = run_id
        self.claim = claim
        self.force_nonce = force_nonce
        self.image_uri = image_uri or pipeline.training.image_uri

    def preparation(self, data_bucket: str, dataset_version: str) -> JobOrder:
        """Raw files into RecordIO shards."""
        data = self.pipeline.data
        base = f"s3://{data_bucket}/"
        parameters: dict[str, str | int | float | bool] = {
            "channels": data.image.channels,
            "height": data.image.height,
            "width": data.image.width,
            "min-images-per-class": data.min_images_per_class,
            "max-unreadable-percent": data.max_unreadable_percent,
        }
        if data.labels:
            parameters["labels"] = ",".join(data.labels)
        parameters |= _format_of(data)
        if data.freeze == "copy":
            parameters["names"] = "copies"
        objects = copies_manifest_key if data.freeze == "copy" else channel_manifest_key
        channels = (
            Channel("dataset", base + objects(data.dataset, dataset_version), manifest=True),
            Channel("manifest", base + manifest_key(data.dataset, dataset_version)),
        )
        return self._order(Step.PREPARE, "training/prepare.py", channels, parameters)

    def training(self, prepared_uri: str, ancestor: Artefact | None = None) -> JobOrder:
        """Shards into a model, which begins with an ancestor's weights if there is one."""
        training = self.pipeline.training
        # A script of somebody's own is told what it cannot guess, and no more.
        precision = {} if training.precision == "auto" else {"precision": training.precision}
        parameters = {"network": training.network, **precision, **training.hyperparameters}
        channels = [Channel("prepared", prepared_uri)]
        if ancestor is not None:
            channels.append(Channel("champion", ancestor.uri))
            parameters |= {"init-from": "champion", "champion-sha256": ancestor.digest}
        elif training.init_from == "champion":
            # Under the same names before there is one: a study begins with another only if these are the same.
            parameters |= {"init-from": "scratch", "champion-sha256": "none"}
        return self._order(Step.TRAIN, training.entry_point, tuple(channels), parameters)

    def evaluation(self, prepared_uri: str, challenger: Artefact, champion: Artefact | None) -> JobOrder:
        """Challenger and champion on the same frozen test split."""
        channels = [Channel("prepared", prepared_uri), Channel("challenger", challenger.uri)]
        parameters: dict[str, str | int | float | bool] = {"challenger-sha256": challenger.digest}
        if champion is not None:
            channels.append(Channel("champion", champion.uri))
            parameters["champion-sha256"] = champion.digest
        return self._order(Step.EVALUATE, "training/evaluate.py", tuple(channels), parameters)

    def _order(
        self,
        step: Step,
        program: str,
        channels: tuple[Channel, ...],
        hyperparameters: Mapping[str, str | int | float | bool],
    ) -> JobOrder:
        training = self.pipeline.training
        trains = step is Step.TRAIN
        return JobOrder(
            pipeline=self.pipeline.name,
            step=step.value,
            program=program,
            code_uri=self.code_uri,
            instance_type=training.instance_type if trains else training.preparation_instance_type,
            instance_count=training.instance_count if trains else 1,
            channels=channels,
            hyperparameters=hyperparameters,
            image_uri=self.image_uri if trains else training.preparation_image_uri,
            volume_gib=training.volume_gib,
            max_runtime_seconds=training.max_runtime_seconds,
            metrics={Step.TRAIN: METRIC_NAMES, Step.EVALUATE: EVALUATION_METRICS}.get(step, ()),
            # A script that says nothing may still write them; only one that says no gets no place for them.
            checkpoints=trains and training.checkpoints is not False,
            tags=run_tags(self.pipeline.name, self.run_id, step.value, self.claim),
            attempts=training.attempts,
            spot=trains and training.spot,
            spot_wait_seconds=training.spot_wait_seconds,
            force_nonce=self.force_nonce,
        )


def _format_of(data: Data) -> dict[str, str | int | float | bool]:
    """What `prepare` has to know of a format other than image folders."""
    if data.format == "images":
        return {}
    found: dict[str, str | int | float | bool] = {"format": data.format}
    if data.format == "csv":
        found |= {"label-column": data.csv.label_column, "delimiter": data.csv.delimiter}
        columns = {"features": ",".join(data.csv.features), "text-column": data.csv.text_column}
        found |= {name: value for name, value in columns.items() if value}
    if data.holds_texts:
        found |= data.text.model_dump()
    return found
