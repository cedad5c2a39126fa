"""Every bucket key, table key, job name and tag: pure functions, so that a repeat finds what the first try made."""

from __future__ import annotations

import re
from enum import StrEnum

JOB_NAME_LIMIT = 63
STUDY_NAME_LIMIT = 32
_DIGEST_LENGTH = 12


class Alias(StrEnum):
    """Names that point at one version of a model."""

    CHAMPION = "champion"


def short(digest: str) -> str:
    """The first twelve characters of a digest: enough to tell artefacts apart, short enough to read."""
    return digest[:_DIGEST_LENGTH]


def job_name(pipeline: str, step: str, digest: str, epoch: int) -> str:
    """`<pipeline>-<step>-<digest12>-e<epoch>`, within SageMaker's 63 letters, digits and hyphens."""
    return _named(pipeline, f"-{step}-{short(digest)}-e{epoch}", JOB_NAME_LIMIT)


def study_name(pipeline: str, digest: str, epoch: int) -> str:
    """The same for a tuning job, which SageMaker allows 32 letters: long pipelines' names are cut."""
    return _named(pipeline, f"-tune-{short(digest)}-e{epoch}", STUDY_NAME_LIMIT)


def _named(pipeline: str, tail: str, limit: int) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", pipeline).strip("-")[: limit - len(tail)].rstrip("-") + tail


def machine_type(compute: str, name: str) -> str:
    """A type of machine as a backend calls it: SageMaker's begin with `ml.`, those of EC2 do not."""
    bare = name.removeprefix("ml.")
    return f"ml.{bare}" if compute == "sagemaker" else bare


# -- S3: data bucket -------------------------------------------------------------------------------------------------

SUCCESS_MARKER = "_SUCCESS"


def dataset_prefix(dataset: str) -> str:
    """Where a dataset's objects lie: `datasets/<dataset>/<label>/<file>`."""
    return f"datasets/{dataset}/"


def manifest_key(dataset: str, version: str) -> str:
    """The immutable manifest of one dataset version: a line about the whole, then a line for each object."""
    return f"manifests/{dataset}/{version}.jsonl"


def old_manifest_key(dataset: str, version: str) -> str:
    """Where manifests of format 1 lie: one JSON document each."""
    return f"manifests/{dataset}/{version}.json"


def channel_manifest_key(dataset: str, version: str) -> str:
    """The same manifest in SageMaker's ManifestFile form."""
    return f"manifests/{dataset}/{version}.sagemaker.json"


def copies_prefix(dataset: str) -> str:
    """Where the copies of a dataset's objects lie; each is written once, and shared by all versions that hold it."""
    return f"frozen/{dataset}/"


def copies_manifest_key(dataset: str, version: str) -> str:
    """The copies of one dataset version in SageMaker's ManifestFile form."""
    return f"manifests/{dataset}/{version}.copies.sagemaker.json"


def check_report_key(dataset: str, version: str, digest: str, kind: str) -> str:
    """What a check found about a dataset version, by the digest of what it says; `kind` is `html` or `json`."""
    return f"checks/{dataset}/{short(version)}/{digest}.{kind}"


# -- S3: jobs bucket -------------------------------------------------------------------------------------------------


def code_key(digest: str) -> str:
    """The source bundle that containers run."""
    return f"code/{digest}.tar.gz"


def job_output_prefix() -> str:
    """SageMaker appends `<job name>/output/model.tar.gz` itself."""
    return "jobs"


def job_output_key(job: str, file: str) -> str:
    """Where a job's `model.tar.gz` or `output.tar.gz` lies."""
    return f"jobs/{job}/output/{file}"


def order_key(job: str) -> str:
    """What a job was asked to do, so that it can be asked again."""
    return f"orders/{job}.json"


def machine_record_key(job: str) -> str:
    """Where a job on a rented machine is, and who works on it; changed by compare and swap."""
    return f"machines/{job}/record.json"


def machine_request_key(job: str) -> str:
    """What the agent on a rented machine is to do; written once."""
    return f"machines/{job}/request.json"


def agent_key(digest: str) -> str:
    """The program that carries a job out on a rented machine."""
    return f"code/agent-{digest}.pyz"


def curve_key(job: str) -> str:
    """The page with a training job's learning curve."""
    return f"curves/{job}.html"


def study_key(pipeline: str, study: str, kind: str) -> str:
    """What a study found; `kind` is `json` for programs or `html` for people."""
    return f"studies/{pipeline}/{study}.{kind}"


def last_study_key(pipeline: str) -> str:
    """Which study of a pipeline ended last."""
    return f"studies/{pipeline}/last"


def checkpoint_prefix(pipeline: str, digest: str) -> str:
    """Checkpoints of one training identity, shared by its epochs so that a later try resumes."""
    return f"checkpoints/{pipeline}/{short(digest)}"


# -- S3: models bucket -----------------------------------------------------------------------------------------------


def artefact_key(model: str, version: int) -> str:
    """The model archive, written once."""
    return f"{model}/{version}/model.tar.gz"


def report_key(model: str, version: int, job: str, file: str) -> str:
    """A file of the report that an evaluation job wrote about a version."""
    return f"{model}/{version}/report/{job}/{file}"


# -- DynamoDB: registry table ----------------------------------------------------------------------------------------


def model_pk(model: str) -> str:
    """Partition of one model."""
    return f"MODEL#{model}"


def version_sk(version: int) -> str:
    """Sort key of a model version, zero-padded so that DynamoDB sorts by number."""
    return f"VERSION#{version:09d}"


def alias_sk(alias: str) -> str:
    """Sort key of an alias."""
    return f"ALIAS#{alias}"


def event_sk(sequence: int) -> str:
    """Sort key of one link in the model's history; ordered by sequence number, never by a clock."""
    return f"EVENT#{sequence:012d}"


def artefact_sk(sha256: str) -> str:
    """Sort key that makes an archive's digest unique within a model."""
    return f"ARTEFACT#{sha256}"


def approval_sk(version: int) -> str:
    """Sort key of the decision about a version."""
    return f"APPROVAL#{version:09d}"


def release_sk(version: int, attempt: int) -> str:
    """Sort key of one release of a version."""
    return f"RELEASE#{version:09d}#{attempt:04d}"


HEAD_SK = "HEAD"  # last version number, last event's sequence and hash
MODELS_PK = "MODELS"  # partition that lists the models: one item for each, its name as sort key


# -- DynamoDB: ledger table ------------------------------------------------------------------------------------------


def dataset_pk(dataset: str) -> str:
    """Partition of one dataset's versions."""
    return f"DATASET#{dataset}"


def dataset_version_sk(version: str) -> str:
    """Sort key of one dataset version."""
    return f"VERSION#{version}"


CATALOGUE_PK = "CATALOGUE"  # partition that lists all dataset versions in the order of time


def catalogue_sk(created_at: str, dataset: str, version: str) -> str:
    """Sort key of a dataset version in the order of time."""
    return f"{created_at}#{dataset}#{version}"


def tag_pk(tag: str) -> str:
    """Partition of the dataset versions that have, or had, a tag."""
    return f"TAG#{tag}"


COPIED_SK = "COPIED"  # the newest version of a dataset whose copies are complete


def claim_pk(pipeline: str) -> str:
    """Partition of one pipeline's claims."""
    return f"CLAIM#{pipeline}"


def claim_sk(dataset_version: str, code_digest: str) -> str:
    """One claim per (pipeline, dataset version, code and parameters)."""
    return f"{dataset_version}#{short(code_digest)}"


def placement_pk(pipeline: str) -> str:
    """Partition of what is kept about where a pipeline's jobs run; the sort key is the order's digest."""
    return f"PLACEMENT#{pipeline}"


def pipeline_pk(pipeline: str) -> str:
    """Partition of what is kept about one pipeline."""
    return f"PIPELINE#{pipeline}"


def sighting_sk(dataset: str) -> str:
    """Sort key of what a pipeline's newest run saw of a dataset."""
    return f"SEEN#{dataset}"


# -- Tags ------------------------------------------------------------------------------------------------------------

STACK_TAG = "ratchet:stack"
JOB_TAG = "ratchet:job"
PIPELINE_TAG = "ratchet:pipeline"
CLAIM_TAG = "ratchet:claim"  # the claim that it was ordered under; without one, the lease alone holds it
LEASE_TAG = "ratchet:lease-until"  # until when it is held although nobody claims it


def tag_value(text: str) -> str:
    """A text as a tag's value: the letters that AWS allows, 256 at most."""
    return "".join(letter if letter.isalnum() or letter in " _.:/=+-@" else "_" for letter in text)[:256]


def run_tags(pipeline: str, run_id: str, step: str, claim: str = "") -> dict[str, str]:
    """Tags on whatever costs money: whose it is, and under which claim."""
    tags = {PIPELINE_TAG: pipeline, "ratchet:run": run_id[:256], "ratchet:step": step}
    return {**tags, CLAIM_TAG: claim} if claim else tags


def lease_tags(stack: str, until: str) -> dict[str, str]:
    """Tags by which the sweep finds what is ours, and knows how long it is held at least."""
    return {STACK_TAG: stack, LEASE_TAG: until}
