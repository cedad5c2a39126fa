"""The form of a run: the same four fields in the UI, over REST and on the command line."""

from __future__ import annotations

from airflow.sdk import Param

from ratchet.loop.request import DATASET_VERSION_PATTERN, REASON_LIMIT

FORM = {
    "dataset_version": Param(
        "",
        type="string",
        pattern=DATASET_VERSION_PATTERN,
        title="Dataset version",
        description="64 characters, as `ratchet data list --json` shows them. Empty: what S3 holds now.",
    ),
    "force": Param(
        False,
        type="boolean",
        title="Train again",
        description="Also when this version is trained already; needs a reason.",
    ),
    "no_reuse": Param(
        False,
        type="boolean",
        title="Buy every job anew",
        description="Instead of taking the result of an earlier run's job with the same data, code and parameters.",
    ),
    "reason": Param(
        "", type="string", maxLength=REASON_LIMIT, title="Reason", description="Kept with the run and its claim."
    ),
}
