"""The model in a serving process's environment: written by a release, read to see what is live."""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.contract import ENV_MODEL_NAME, ENV_MODEL_SHA256, ENV_MODEL_URI, ENV_MODEL_VERSION
from ratchet.rollout.plan import Candidate


def model_environment(candidate: Candidate) -> dict[str, str]:
    """The variables that make a serving process load the candidate."""
    return {
        ENV_MODEL_URI: candidate.uri,
        ENV_MODEL_SHA256: candidate.digest,
        ENV_MODEL_NAME: candidate.model,
        ENV_MODEL_VERSION: str(candidate.version),
    }


def describe_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Which model an environment names; empty strings when it names none."""
    return {
        "model_version": environment.get(ENV_MODEL_VERSION, ""),
        "digest": environment.get(ENV_MODEL_SHA256, ""),
    }
