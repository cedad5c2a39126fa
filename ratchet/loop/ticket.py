"""What a run carries from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ticket:
    """What a run carries from step to step: names and digests only.

    Attributes
    ----------
    granted
        Whether this run is the one that trains this dataset version; if not, `reason` says who does or did.
    image_uri
        The pipeline's own image, by its digest where that is known; empty for AWS's.
    """

    granted: bool
    reason: str
    dataset_version: str = ""
    code_uri: str = ""
    code_digest: str = ""
    git_commit: str = ""
    identity: str = ""
    force_nonce: str = ""
    image_uri: str = ""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Ticket:
        """Read what `vars()` wrote."""
        return cls(**raw)
