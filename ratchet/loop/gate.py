"""The gate: what a person is shown, what the answer binds to, and what a release then does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.approval import Decision, Dossier, build_dossier
from ratchet.data import Diff, diff_manifests
from ratchet.errors import ApprovalError
from ratchet.loop.step import assess
from ratchet.loop.workshop import Workshop
from ratchet.registry import ModelVersion, Stage
from ratchet.rollout import Plan, print_plan

_AFTER_YES = frozenset({Stage.APPROVED, Stage.RELEASING, Stage.CHAMPION, Stage.RETIRED})


@dataclass(frozen=True)
class Answer:
    """What a person said, and how it reached us."""

    approved: bool
    who: str
    digest: str  # of the artefact that the person saw
    comment: str = ""
    via: str = "airflow"


def plan_release(workshop: Workshop, version: ModelVersion) -> Plan:
    """Work out what a release of this version would do, from what is live now."""
    return workshop.releases.plan(version, workshop.pipeline.release)


def write_dossier(workshop: Workshop, version: int, links: Mapping[str, str]) -> Dossier:
    """Collect what the approver has to know."""
    model = workshop.registry.get(workshop.pipeline.model_name, version)
    champion = workshop.registry.champion(workshop.pipeline.model_name)
    return build_dossier(
        model,
        champion,
        verdict=assess(workshop, version),
        diff=_dataset_change(workshop, model, champion),
        plan_text=print_plan(plan_release(workshop, model)),
        links=links,
    )


def answer(workshop: Workshop, version: int, given: Answer) -> Decision:
    """Record a decision; `ApprovalError` when it is not this person's to make or not about this artefact."""
    return workshop.approvals.record(
        workshop.pipeline.model_name,
        version,
        digest=given.digest,
        approved=given.approved,
        who=given.who,
        comment=given.comment,
        approvers=workshop.pipeline.approval.approvers,
        via=given.via,
    )


def begin_release(workshop: Workshop, version: int, digest: str, *, run_id: str) -> str:
    """Begin the rollout of exactly this artefact, or find it begun; return what it will do.

    Raises
    ------
    ApprovalError
        When there is no approval of this digest; whatever Airflow shows, nothing is released then.
    """
    model = workshop.registry.get(workshop.pipeline.model_name, version)
    if model.digest != digest:
        raise ApprovalError(
            f"{model.model} {version} has digest {model.digest[:12]}, this run was to release {digest[:12]}: "
            "approve the artefact that is in the registry now"
        )
    decision = workshop.approvals.require(model.model, version, digest)
    if model.stage not in _AFTER_YES:
        raise ApprovalError(f"{model.model} {version} is {model.stage}, only an approved version is released")
    plan = plan_release(workshop, model)
    workshop.releases.begin(model, plan, run_id=run_id, actor=decision.who)
    return print_plan(plan)


def promote(workshop: Workshop, version: int, *, run_id: str) -> ModelVersion:
    """Close the carried-out release and move the alias `champion`, in one transaction."""
    model = workshop.pipeline.model_name
    return workshop.releases.promote(model, version, actor=f"run {run_id}")


def _dataset_change(workshop: Workshop, model: ModelVersion, champion: ModelVersion | None) -> Diff | None:
    if champion is None or champion.version == model.version:
        return None
    dataset = model.provenance.dataset
    old = workshop.datasets.read(dataset, champion.provenance.dataset_version)
    new = workshop.datasets.read(dataset, model.provenance.dataset_version)
    return diff_manifests(old, new)
