"""Dataset versions: list, freeze, check, compare, claim."""

from ratchet.data.catalogue import Catalogue
from ratchet.data.check import Finding, check_manifest
from ratchet.data.claim import Claim, Claims
from ratchet.data.custody import Custody
from ratchet.data.manifest import Diff, Manifest, ObjectEntry, diff_manifests, digest_entries, histogram
from ratchet.data.quiet import Observation, Settled, still_for
from ratchet.data.ruling import ClaimState
from ratchet.data.store import DatasetStore, DatasetVersion

__all__ = [
    "Catalogue",
    "Claim",
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
    "Settled",
    "check_manifest",
    "diff_manifests",
    "digest_entries",
    "histogram",
    "still_for",
]
