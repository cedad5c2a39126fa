"""Record files held against their format: every record's frame and label, in a stream, nothing decoded."""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.contract import ContractError, read_record
from ratchet.data.check import Offenders, check_classes
from ratchet.data.content import Content
from ratchet.data.manifest import Manifest
from ratchet.data.table import ContentReport
from ratchet.dataset_spec import Data
from ratchet.errors import NotFoundError

_MOST_CLASSES = 1_000_000


def check_records(content: Content, manifest: Manifest, data: Data) -> ContentReport:
    """Read every `.rec` in a stream: one record is in memory."""
    report, broken, unlabelled = ContentReport(), Offenders(), Offenders()
    names = dict(enumerate(data.labels))
    for entry in manifest.objects:
        if not entry.key.lower().endswith(".rec"):
            continue
        try:
            with content.open(entry) as stream:
                while (found := read_record(stream)) is not None:
                    report.examined += 1
                    label = _name(found.label, names)
                    if label is None:
                        unlabelled.add(f"{entry.key} record {found.number}: {found.label:g}")
                    else:
                        report.classes[label] += 1
        except ContractError as error:
            broken.add(f"{entry.key}: {error}")
        except NotFoundError:
            broken.add(f"{entry.key} is gone")
    allowed = f"0 to {len(names) - 1}, the places in data.labels" if names else "whole numbers from 0"
    findings = [
        broken.finding("every record file is whole", "{} broken", "none"),
        unlabelled.finding("every record has one label that is known", "{} others", allowed),
    ]
    report.findings = [finding for finding in findings if finding] + check_classes(report.classes, data)
    return report


def _name(label: float, names: Mapping[int, str]) -> str | None:
    """The class of a record's label: its place in `data.labels`, or the number itself where there are none."""
    if not 0 <= label < _MOST_CLASSES or label != int(label):
        return None
    return names.get(int(label)) if names else str(int(label))
