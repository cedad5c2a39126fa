"""What a person, a schedule or an event asks of a run: read and checked before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratchet.errors import SpecError

FIELDS = ("dataset_version", "force", "no_reuse", "reason")
DATASET_VERSION_PATTERN = "^([0-9a-f]{64})?$"
REASON_LIMIT = 500


@dataclass(frozen=True)
class Request:
    """A run's request.

    Attributes
    ----------
    dataset_version
        Empty: what S3 holds now.
    force
        Train although this version is trained already, or another run is at it: the claim passes to this run, and its
        jobs are new. Needs a reason.
    who
        The person who started the run; empty for an event or a schedule.
    no_reuse
        Buy every job anew instead of taking what an earlier run's job with the same data, code, image and parameters
        has left. The claim of another run still stands.
    """

    run_id: str
    dataset_version: str = ""
    force: bool = False
    reason: str = ""
    who: str = ""
    no_reuse: bool = False


def read_request(asked: Mapping[str, Any], *, run_id: str, who: str = "") -> Request:
    """Read what the form, the REST API or the command line sent: the same rules for all of them.

    Raises
    ------
    SpecError
        Says which field is wrong and what it must be.
    """
    strangers = sorted(set(asked) - set(FIELDS))
    if strangers:
        raise SpecError(f"a run has no parameter {strangers[0]!r}; there is: {', '.join(FIELDS)}")
    version, reason = asked.get("dataset_version") or "", asked.get("reason") or ""
    force, no_reuse = asked.get("force", False), asked.get("no_reuse", False)
    if not isinstance(version, str) or not re.fullmatch(DATASET_VERSION_PATTERN, version):
        raise SpecError(
            f"dataset_version {version!r} is no dataset version: 64 characters of 0-9 and a-f, as "
            "`ratchet data list --json` shows them, or empty for what S3 holds now"
        )
    for name, switch in (("force", force), ("no_reuse", no_reuse)):
        if not isinstance(switch, bool):
            raise SpecError(f"{name} must be true or false, not {switch!r}")
    if not isinstance(reason, str) or len(reason) > REASON_LIMIT:
        raise SpecError(f"reason must be text of at most {REASON_LIMIT} characters")
    if force and not reason.strip():
        raise SpecError("force needs a reason: it is kept with the claim, for whoever asks why this was trained twice")
    return Request(run_id, version, force, reason.strip(), who, no_reuse)
