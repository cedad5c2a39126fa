"""The Lambda function behind its alias: a published version, a canary by alias weights, and back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ratchet.aws import Aws, Deployment, translate_errors
from ratchet.rollout.machine import Observed, Outcome
from ratchet.rollout.plan import Candidate
from ratchet.rollout.targets import Example, Shift, Target
from ratchet.rollout.targets.answer import find_fault, is_from
from ratchet.rollout.targets.environment import describe_environment, model_environment

IAM_ACTIONS = (
    "lambda:GetAlias",
    "lambda:GetFunctionConfiguration",
    "lambda:InvokeFunction",
    "lambda:ListVersionsByFunction",
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
    "lambda:UpdateFunctionConfiguration",
)
_READY = "Active"
_SETTLED = "Successful"
_FAILED = "Failed"


def make_target(aws: Aws, deployment: Deployment) -> Target:
    """Build the target; found by this file's name."""
    return LambdaTarget(aws, deployment)


class LambdaTarget:
    """The stack's function."""

    splits_traffic = True

    def __init__(self, aws: Aws, deployment: Deployment) -> None:
        self._client: Any = aws.client("lambda")
        self._function = deployment.function_name
        self._alias = deployment.function_alias

    def observe(self) -> dict[str, Any]:
        """What the alias points at."""
        version, weights = self._pointer()
        environment = self._configuration(version).get("Environment", {}).get("Variables", {})
        return {"function_version": version, "weights": weights, **describe_environment(environment)}

    def prepare(self, candidate: Candidate) -> Outcome:
        """Publish a version whose environment names the candidate, or find it.

        Takes several looks: the configuration is changed, has to settle, and is then published.
        """
        latest = self._configuration("$LATEST")
        found = self._find_version(candidate, latest["CodeSha256"])
        if found is not None:
            return self._activated(found)
        if latest.get("LastUpdateStatus") == _FAILED:
            return Outcome(Observed.FAILED, f"the function's update failed: {latest.get('LastUpdateStatusReason')}")
        if latest.get("LastUpdateStatus", _SETTLED) != _SETTLED:
            return Outcome(Observed.WAITING, "the function's configuration settles")
        environment = latest.get("Environment", {}).get("Variables", {})
        wanted = environment | model_environment(candidate)
        with translate_errors(f"prepare a version of {self._function}"):
            if environment != wanted:
                self._client.update_function_configuration(
                    FunctionName=self._function, Environment={"Variables": wanted}, RevisionId=latest["RevisionId"]
                )
                return Outcome(Observed.WAITING, "the function's configuration settles")
            made = self._client.publish_version(
                FunctionName=self._function,
                CodeSha256=latest["CodeSha256"],
                RevisionId=latest["RevisionId"],
                Description=f"{candidate.model} {candidate.version}",
            )
        return self._activated(str(made["Version"]))

    def try_out(self, candidate: Candidate, revision: str, examples: Sequence[Example]) -> Outcome:
        """Invoke the version itself; no user's request reaches it yet."""
        return self._smoke(candidate, revision, examples, alone=True)

    def shift(self, shift: Shift) -> Outcome:
        """Let the alias send the version its share."""
        before = str(shift.before["function_version"])
        if shift.percent >= 100 or before == shift.revision:
            return self._point(shift.revision, {})
        return self._point(before, {shift.revision: round(shift.percent / 100, 4)})

    def check(self, candidate: Candidate, shift: Shift, examples: Sequence[Example]) -> Outcome:
        """Invoke the alias; while it splits traffic, the champion's answers are as good."""
        return self._smoke(candidate, self._alias, examples, alone=shift.percent >= 100)

    def restore(self, before: Mapping[str, Any]) -> Outcome:
        """Point the alias back."""
        return self._point(str(before["function_version"]), dict(before.get("weights") or {}))

    def _smoke(self, candidate: Candidate, qualifier: str, examples: Sequence[Example], *, alone: bool) -> Outcome:
        for example in examples:
            answer = self._ask(qualifier, example.image)
            if not alone and not answer.get("error") and not is_from(answer, candidate):
                continue
            fault = find_fault(answer, candidate, example.expected_label)
            if fault:
                return Outcome(Observed.FAILED, f"the function {fault}")
        return Outcome(Observed.DONE, f"{len(examples)} predictions as in evaluation")

    def _ask(self, qualifier: str, image: bytes) -> dict[str, Any]:
        payload = json.dumps({"dataurl": base64.b64encode(image).decode()}).encode()
        with translate_errors(f"invoke {self._function}:{qualifier}"):
            answer = self._client.invoke(FunctionName=self._function, Qualifier=qualifier, Payload=payload)
            raw = answer["Payload"].read()
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        if answer.get("FunctionError") or not isinstance(body, dict):
            return {"error": f"{answer.get('FunctionError') or 'nothing that can be read'}: {raw[:300]!r}"}
        return body

    def _point(self, version: str, weights: Mapping[str, float]) -> Outcome:
        current, existing = self._pointer()
        if (current, existing) != (version, dict(weights)):
            with translate_errors(f"point the alias {self._alias} at version {version}"):
                revision = self._client.get_alias(FunctionName=self._function, Name=self._alias)["RevisionId"]
                self._client.update_alias(
                    FunctionName=self._function,
                    Name=self._alias,
                    FunctionVersion=version,
                    RoutingConfig={"AdditionalVersionWeights": dict(weights)},
                    RevisionId=revision,
                )
        shares = ", ".join(f"{share:.0%} to version {number}" for number, share in weights.items())
        return Outcome(Observed.DONE, f"the alias points at version {version}" + (f", {shares}" if shares else ""))

    def _activated(self, version: str) -> Outcome:
        configuration = self._configuration(version)
        state = configuration.get("State", _READY)
        if state == _FAILED:
            return Outcome(Observed.FAILED, f"version {version} failed: {configuration.get('StateReason')}")
        if state != _READY:
            return Outcome(Observed.WAITING, f"version {version} is {state}")
        return Outcome(Observed.DONE, f"version {version} is ready", version)

    def _find_version(self, candidate: Candidate, code_sha256: str) -> str | None:
        wanted = model_environment(candidate)
        with translate_errors(f"list the versions of {self._function}"):
            pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=self._function)
            versions = [version for page in pages for version in page["Versions"] if version["Version"] != "$LATEST"]
        for version in reversed(versions):
            environment = version.get("Environment", {}).get("Variables", {})
            if version["CodeSha256"] == code_sha256 and wanted.items() <= environment.items():
                return str(version["Version"])
        return None

    def _pointer(self) -> tuple[str, dict[str, float]]:
        with translate_errors(f"look at the alias {self._alias} of {self._function}"):
            alias = self._client.get_alias(FunctionName=self._function, Name=self._alias)
        weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        return str(alias["FunctionVersion"]), {str(version): float(share) for version, share in weights.items()}

    def _configuration(self, qualifier: str) -> dict[str, Any]:
        with translate_errors(f"look at {self._function}:{qualifier}"):
            return dict(self._client.get_function_configuration(FunctionName=self._function, Qualifier=qualifier))
