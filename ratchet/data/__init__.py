"""Dataset versions: list, freeze, check, compare, claim."""

from ratchet.data.catalogue import Catalogue
from ratchet.data.check import Finding, check_manifest
from ratchet.data.claim import Claim, ClaimKey, Claims
from ratchet.data.custody import Custody
from ratchet.data.manifest import Diff, Manifest, ObjectEntry, diff_manifests, digest_entries, histogram
from ratchet.data.quiet import Observation, Settled, still_for
from ratchet.data.ruling import ClaimState
from ratchet.data.sighting import Overdue, Sighting, Sightings, judge_sighting
from ratchet.data.store import DatasetStore, DatasetVersion

__all__ = [
    "Catalogue",
    "Claim",
    "ClaimKey",
    "ClaimState",
    "Claims",
    "Custody",
    "DatasetStore",
    "DatasetVersion",
    "Diff",
    "Finding",
    "Manifest",
    "ObjectEntry",
    "Observation",
    "Overdue",
    "Settled",
    "Sighting",
    "Sightings",
    "check_manifest",
    "diff_manifests",
    "digest_entries",
    "histogram",
    "judge_sighting",
    "still_for",
]
