"""What each target serves now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratchet.aws import Aws, Deployment
from ratchet.rollout.targets import make_target


def live_status(aws: Aws, deployment: Deployment, targets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each target the model version and digest that it serves, and the target's own details.

    Returns
    -------
    `version` and `digest` are None where no model serves; `details` holds counts, health, shares and the address.
    """
    status: dict[str, dict[str, Any]] = {}
    for name in targets:
        target = make_target(name, aws, deployment)
        seen = target.observe()
        version, digest = seen.pop("model_version"), seen.pop("digest")
        status[name] = {"version": version or None, "digest": digest or None, "details": seen | target.inspect()}
    return status
