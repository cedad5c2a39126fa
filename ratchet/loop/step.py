"""The loop's verbs. Each finds what it did before, so that any of them can be repeated."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet.aws.bucket import Bucket, split_uri
from ratchet.compute.bundle import Bundle, build_bundle, upload_bundle
from ratchet.compute.cost import cost_of
from ratchet.compute.image import pin_image
from ratchet.compute.order import JobOrder, JobStatus
from ratchet.compute.placement import Offer
from ratchet.contract import (
    CONFUSION_PNG,
    REPORT_HTML,
    REPORT_JSON,
    SMOKE_FILE,
    ContractError,
    canonical_json,
    digest_of,
    unpack_archive,
)
from ratchet.data import ClaimKey, ClaimState, Manifest
from ratchet.data.claim import FAILED
from ratchet.errors import ArtefactError, RatchetError
from ratchet.judge import Verdict, judge, read_report
from ratchet.loop.hold import Hold
from ratchet.loop.order import Artefact, OrderBook, Step, identify_work, list_offers
from ratchet.loop.place import Placed, place
from ratchet.loop.request import Request
from ratchet.loop.study_store import read_study
from ratchet.loop.ticket import Ticket
from ratchet.loop.workshop import Workshop
from ratchet.naming import claim_sk, job_output_key, order_key, report_key
from ratchet.registry import ModelVersion, Provenance, Stage
from ratchet.registry.registration import require_numbers

_REPORT_TYPES = {
    REPORT_JSON: "application/json",
    REPORT_HTML: "text/html; charset=utf-8",
    CONFUSION_PNG: "image/png",
    SMOKE_FILE: "application/json",
}


def freeze(workshop: Workshop, request: Request, fingerprint: str = "") -> Ticket:
    """Freeze the dataset and claim the work on it for this run.

    Parameters
    ----------
    fingerprint
        What the prefix looked like just before; kept, so that the sweep knows what this pipeline has seen.
    """
    data = workshop.pipeline.data
    if request.dataset_version:
        manifest = workshop.datasets.read(data.dataset, request.dataset_version)
    else:
        manifest = workshop.datasets.freeze(data.dataset, request.reason)
    bundle = build_bundle(workshop.source_folder)
    # A forced rerun must be other jobs than the first run's, and the same jobs when this task is tried again.
    nonce = str(uuid.uuid5(uuid.NAMESPACE_URL, request.run_id)) if request.force or request.no_reuse else ""
    # The claim is on the work itself, forced or not: else the next run would not know what a forced one has done.
    image = pin_image(workshop.aws, workshop.pipeline.training.image_uri) or ""
    identity = identify_work(workshop.pipeline, bundle.digest, image_uri=image)
    key = ClaimKey(workshop.pipeline.name, manifest.version, identity)
    claim = workshop.claims.take(
        key, holder=request.run_id, force=request.force, reason=request.reason, who=request.who
    )
    ticket = Ticket(claim.granted, claim.reason, dataset_version=manifest.version)
    if claim.granted:
        try:
            code_uri = _lay_out(workshop, manifest, bundle)
        except RatchetError:
            # Whoever comes next must not wait for the lease of a run that never began.
            workshop.claims.finish(key, holder=request.run_id, outcome=FAILED)
            raise
        ticket = dataclasses.replace(
            ticket,
            code_uri=code_uri,
            code_digest=bundle.digest,
            git_commit=bundle.git_commit,
            identity=identity,
            force_nonce=nonce,
            image_uri=image,
        )
    # Not while another run has the work: should that one never end, the sweep must find the data again.
    if fingerprint and (claim.granted or claim.state is ClaimState.COMPLETED):
        _note_sighting(workshop, manifest, request, fingerprint)
    return ticket


def _note_sighting(workshop: Workshop, manifest: Manifest, request: Request, fingerprint: str) -> None:
    workshop.sightings.note(
        workshop.pipeline.name,
        workshop.pipeline.data.dataset,
        fingerprint=fingerprint,
        dataset_version=manifest.version,
        run_id=request.run_id,
    )


def _lay_out(workshop: Workshop, manifest: Manifest, bundle: Bundle) -> str:
    """Put what the jobs will read where they find it; return where the code lies."""
    if workshop.pipeline.data.freeze == "copy":
        workshop.custody.copy(manifest)
    return upload_bundle(workshop.aws, workshop.deployment.jobs_bucket, bundle)


def refuse_changes(workshop: Workshop, dataset_version: str) -> None:
    """Refuse to go on when objects that are trained on where they lie are no longer what was frozen."""
    data = workshop.pipeline.data
    if data.freeze == "reference":
        workshop.custody.refuse_changes(workshop.datasets.read(data.dataset, dataset_version))


def finish(workshop: Workshop, ticket: Ticket, *, run_id: str, outcome: str) -> None:
    """Close this run's claim: the work on this dataset version has an outcome."""
    key = ClaimKey(workshop.pipeline.name, ticket.dataset_version, ticket.identity)
    workshop.claims.finish(key, holder=run_id, outcome=outcome)


def place_order(workshop: Workshop, step: Step, run_id: str, state: Mapping[str, Any]) -> Placed:
    """Start the job of a step, or find the one that an earlier try, or an earlier run, started.

    Parameters
    ----------
    state
        `ticket`, and from the steps before: `prepare_job`, `version`.
    """
    ticket = Ticket.from_json(state["ticket"])
    book = open_book(workshop, ticket, run_id)
    if step is Step.PREPARE:
        order = book.preparation(workshop.deployment.data_bucket, ticket.dataset_version)
    elif step is Step.TRAIN:
        order = book.training(archive_uri(workshop, str(state["prepare_job"])), find_ancestor(workshop))
    else:
        model = workshop.pipeline.model_name
        challenger = workshop.registry.get(model, int(state["version"]))
        champion = workshop.registry.champion(model)
        rival = Artefact(champion.uri, champion.digest) if champion and champion.version != challenger.version else None
        prepared = archive_uri(workshop, str(state["prepare_job"]))
        order = book.evaluation(prepared, Artefact(challenger.uri, challenger.digest), rival)
    return start_order(workshop, order, list_offers(workshop.pipeline, step), run_id=run_id)


def open_book(workshop: Workshop, ticket: Ticket, run_id: str) -> OrderBook:
    """What writes the orders of a run that still holds its claim."""
    Hold(workshop, ticket, run_id).renew()
    return OrderBook(
        workshop.pipeline,
        code_uri=ticket.code_uri,
        run_id=run_id,
        claim=claim_sk(ticket.dataset_version, ticket.identity),
        force_nonce=ticket.force_nonce,
        image_uri=ticket.image_uri,
    )


def find_ancestor(workshop: Workshop) -> Artefact | None:
    """The champion, when the pipeline's file says that a training begins with its weights."""
    if workshop.pipeline.training.init_from == "scratch":
        return None
    champion = workshop.registry.champion(workshop.pipeline.model_name)
    return Artefact(champion.uri, champion.digest) if champion else None


def start_order(workshop: Workshop, order: JobOrder, offers: Sequence[Offer], *, run_id: str) -> Placed:
    """Start a job where there is a machine for it, or find it, and keep its order: what was made can be made again."""
    placed = place(workshop, order, offers, run_id=run_id)
    orders = Bucket(workshop.aws, workshop.deployment.jobs_bucket)
    key = order_key(placed.status.name)
    if not orders.exists(key):
        where = {"compute": placed.placement.offer.compute, "because": placed.placement.because}
        kept = {**placed.order.to_json(), **where}
        orders.put(key, canonical_json(kept), content_type="application/json")
    return placed


def _read_order(workshop: Workshop, job: str) -> dict[str, Any]:
    """What was kept of a job's order, and where it was placed; empty for a job from before orders were kept."""
    found = Bucket(workshop.aws, workshop.deployment.jobs_bucket).find(order_key(job))
    kept: dict[str, Any] = json.loads(found) if found else {}
    return kept


def keep_order(workshop: Workshop, job: str, order: JobOrder) -> None:
    """Keep what makes what a job made."""
    orders = Bucket(workshop.aws, workshop.deployment.jobs_bucket)
    orders.put(order_key(job), canonical_json(order.to_json()), content_type="application/json")


def archive_uri(workshop: Workshop, job: str) -> str:
    """Where a job's `model.tar.gz` lies."""
    return f"s3://{workshop.deployment.jobs_bucket}/{job_output_key(job, 'model.tar.gz')}"


def register(
    workshop: Workshop, ticket: Ticket, *, run_id: str, prepare_job: str, train_job: str, study: str = ""
) -> ModelVersion:
    """Give the trained artefact its version number, unless what it was trained on has changed meanwhile.

    Parameters
    ----------
    study
        The search whose best trial it is; then the whole search's cost is the version's.
    """
    refuse_changes(workshop, ticket.dataset_version)
    kept = _read_order(workshop, train_job)
    compute = str(kept.get("compute") or workshop.pipeline.training.compute)
    status = workshop.backend_of(compute).poll(train_job)
    if status.archive_uri is None:
        raise ArtefactError(
            f"job {train_job} ended well and left no model: its script must write the six files of docs/training.md "
            "into the folder that SM_MODEL_DIR names (/opt/ml/model) before it ends"
        )
    origin = _trace(workshop, ticket, status, run_id=run_id, prepare_job=prepare_job, study=study)
    origin = dataclasses.replace(
        origin, compute=compute, spot=bool(kept.get("spot")), placement=str(kept.get("because", ""))
    )
    with tempfile.TemporaryDirectory(prefix="ratchet-") as folder:
        archive = Path(folder) / "model.tar.gz"
        _download(workshop, archive_uri(workshop, train_job), archive)
        require_numbers(archive)
        return workshop.registry.register(
            workshop.pipeline.model_name, archive, origin, status.metrics, writer=train_job
        )


def _trace(
    workshop: Workshop, ticket: Ticket, status: JobStatus, *, run_id: str, prepare_job: str, study: str
) -> Provenance:
    """Where the model of a training job came from."""
    search = read_study(workshop, study) if study else None
    best = search.best if search else None
    cost = search or cost_of(status, workshop.settings.region, workshop.clock.now())
    champion = workshop.registry.champion(workshop.pipeline.model_name)
    return Provenance(
        pipeline=workshop.pipeline.name,
        run_id=run_id,
        dataset=workshop.pipeline.data.dataset,
        dataset_version=ticket.dataset_version,
        code_digest=ticket.code_digest,
        git_commit=ticket.git_commit,
        image_uri=status.image_uri,
        hyperparameters={**workshop.pipeline.training.hyperparameters, **(best.parameters if best else {})},
        job_name=status.name,
        prepare_job=prepare_job,
        billable_seconds=status.billable_seconds,
        parent_version=champion.version if champion else None,
        cost_usd=cost.usd if cost else None,
        saved_usd=cost.saved_usd if cost else None,
        instance_type=status.instance_type,
        study=study,
        trial=best.number if best else None,
    )


def record_evaluation(workshop: Workshop, version: int, evaluate_job: str) -> ModelVersion:
    """Keep the evaluation's report beside the model and its figures in the registry."""
    model = workshop.pipeline.model_name
    with tempfile.TemporaryDirectory(prefix="ratchet-") as name:
        folder = Path(name)
        archive = folder / "model.tar.gz"
        unpacked = folder / "report"
        unpacked.mkdir()
        _download(workshop, archive_uri(workshop, evaluate_job), archive)
        try:
            unpack_archive(archive, unpacked)
        except ContractError as error:
            raise ArtefactError(f"the report of job {evaluate_job} cannot be opened: {error}") from error
        bucket = Bucket(workshop.aws, workshop.deployment.models_bucket)
        for file, content_type in _REPORT_TYPES.items():
            bucket.put_once(
                report_key(model, version, evaluate_job, file),
                (unpacked / file).read_bytes(),
                content_type=content_type,
            )
        report = json.loads((unpacked / REPORT_JSON).read_text("utf-8"))
    page_key = report_key(model, version, evaluate_job, REPORT_HTML)
    evaluation = {
        "job": evaluate_job,
        "test_split": report["test_split"],
        "challenger": _headline(report["challenger"]),
        "champion": _headline(report["champion"]) if report.get("champion") else None,
        "champion_version": _champion_version(workshop, version) if report.get("champion") else None,
        "report_uri": f"s3://{workshop.deployment.models_bucket}/{page_key}",
        "report_digest": digest_of(report),
    }
    return workshop.registry.record_evaluation(model, version, evaluation)


def decide(workshop: Workshop, version: int, actor: str) -> tuple[ModelVersion, Verdict]:
    """Hold the report against the gates and move the version to `passed` or `blocked`."""
    model = workshop.pipeline.model_name
    verdict = assess(workshop, version)
    to = Stage.PASSED if verdict.passed else Stage.BLOCKED
    current = workshop.registry.get(model, version)
    if current.stage is not Stage.CANDIDATE:
        return current, verdict
    moved = workshop.registry.move(
        model, version, to, actor=actor, reason="; ".join(verdict.reasons), expected=Stage.CANDIDATE
    )
    return moved, verdict


def assess(workshop: Workshop, version: int) -> Verdict:
    """Read the kept report of a version and judge it; decides nothing."""
    bucket = Bucket(workshop.aws, workshop.deployment.models_bucket)
    model = workshop.pipeline.model_name
    job = workshop.registry.get(model, version).evaluation["job"]
    raw = bucket.read(report_key(model, version, job, REPORT_JSON))
    return judge(read_report(json.loads(raw)), workshop.pipeline.gates)


def _champion_version(workshop: Workshop, version: int) -> int | None:
    champion = workshop.registry.champion(workshop.pipeline.model_name)
    return champion.version if champion and champion.version != version else None


def _headline(measured: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in measured.items() if isinstance(value, int | float)}


def _download(workshop: Workshop, uri: str, target: Path) -> None:
    bucket, key = split_uri(uri)
    Bucket(workshop.aws, bucket).download(key, target)
