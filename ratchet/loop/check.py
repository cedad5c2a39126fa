"""The check before money is spent: by the manifest, by first bytes, by rows and records; kept as a report."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet.aws.bucket import Bucket
from ratchet.compute.machine import require_known
from ratchet.contract import canonical_json, digest_of
from ratchet.data import Manifest, check_manifest
from ratchet.data.check import Finding
from ratchet.data.content import Content
from ratchet.data.headers import HeaderReport, check_headers
from ratchet.data.inspection import Inspection
from ratchet.data.record import check_records
from ratchet.data.table import ContentReport, check_tables
from ratchet.dataset_spec import Data
from ratchet.errors import CapacityError, DataError
from ratchet.loop.order import Step, list_offers
from ratchet.loop.step import refuse_changes
from ratchet.loop.workshop import Workshop
from ratchet.naming import check_report_key


@dataclass(frozen=True)
class Checked:
    """What a check found, and where a person can read it."""

    inspection: Inspection
    report_uri: str
    place: str  # the dataset's objects

    def require(self) -> dict[str, int]:
        """The examples of each class; `DataError` tells rule, found, allowed and examples when a rule does not hold."""
        found = self.inspection
        if not found.passed:
            raise DataError(
                f"dataset {found.dataset}, version {found.version[:12]}, is not fit for training; nothing was spent.\n"
                f"{found.explain()}\n"
                f"The report: {self.report_uri}\n"
                f"Mend the objects under {self.place} or the pipeline's `data` rules."
            )
        return dict(found.classes)


def check(workshop: Workshop, dataset_version: str) -> Checked:
    """Check a dataset version and keep the report; it is the same file when the same is found again."""
    refuse_changes(workshop, dataset_version)
    refuse_machines(workshop)
    data = workshop.pipeline.data
    manifest = workshop.datasets.read(data.dataset, dataset_version)
    before = workshop.datasets.before(data.dataset, dataset_version)
    inspection = inspect(workshop, manifest, before)
    digest = digest_of(inspection.to_json())
    bucket = Bucket(workshop.aws, workshop.deployment.data_bucket)
    keys = {kind: check_report_key(data.dataset, manifest.version, digest, kind) for kind in ("json", "html")}
    bucket.put_once(keys["json"], canonical_json(inspection.to_json()), content_type="application/json")
    page = inspection.to_html().encode()
    stored = bucket.put_once(keys["html"], page, content_type="text/html; charset=utf-8")
    return Checked(inspection, stored.uri, f"s3://{manifest.bucket}/{manifest.prefix}")


def refuse_machines(workshop: Workshop) -> None:
    """Refuse a pipeline with a machine that there is not, or with none that the account may have.

    Raises
    ------
    SpecError
        Names the unknown type and near ones.
    CapacityError
        When a step's every machine is beyond the account's quotas, with what to ask for.
    """
    count = workshop.pipeline.training.instance_count
    for step in Step:
        offers = list_offers(workshop.pipeline, step)
        for offer in offers:
            require_known(workshop.aws, workshop.settings.region, offer.compute, offer.instance_type)
        needed = count if step is Step.TRAIN else 1
        short = [workshop.quotas.find_shortfall(offer, needed) for offer in offers]
        if all(short):
            raise CapacityError(f"{step} can have no machine, and nothing was spent: {'; '.join(short)}")


def inspect(workshop: Workshop, manifest: Manifest, before: Manifest | None) -> Inspection:
    """Hold a dataset version against the pipeline's rules."""
    data = workshop.pipeline.data
    findings = check_manifest(manifest, data, before)
    content = _look_into(Content(workshop.aws, manifest), manifest, data)
    sizes = content.sizes if isinstance(content, HeaderReport) else {}
    classes = content.classes if isinstance(content, ContentReport) else manifest.classes
    return Inspection(
        dataset=manifest.dataset,
        version=manifest.version,
        count=len(manifest.objects),
        total_bytes=manifest.total_bytes,
        classes=dict(sorted(classes.items())),
        findings=tuple(_first_of_each(findings + (content.findings if content else []))),
        version_before=before.version if before else "",
        classes_before=before.histogram() if before else {},
        sizes={f"{width} x {height}": count for (width, height), count in sorted(sizes.items())},
        examined=content.examined if content else 0,
    )


def _look_into(content: Content, manifest: Manifest, data: Data) -> HeaderReport | ContentReport | None:
    if data.format == "csv":
        return check_tables(content, manifest, data)
    if data.format == "recordio":
        return check_records(content, manifest, data)
    checks = data.checks
    return check_headers(content, manifest, data) if checks.width or checks.height or checks.channels else None


def _first_of_each(findings: list[Finding]) -> list[Finding]:
    return list({finding.rule: finding for finding in reversed(findings)}.values())[::-1]
