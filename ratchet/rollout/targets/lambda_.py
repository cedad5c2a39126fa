"""The Lambda function behind its alias: a published version, a canary by alias weights, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from ratchet.aws import Aws, Deployment, translate_errors
from ratchet.rollout.answer import judge_answer
from ratchet.rollout.environment import describe_environment, model_environment
from ratchet.rollout.example import Example
from ratchet.rollout.machine import Observed, Outcome
from ratchet.rollout.plan import Candidate, Verb
from ratchet.rollout.probe import read_object
from ratchet.rollout.question import Question
from ratchet.rollout.targets import Shift, Target

IAM_ACTIONS = (
    "lambda:GetAlias",
    "lambda:GetFunctionConfiguration",
    "lambda:InvokeFunction",
    "lambda:ListVersionsByFunction",
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
    "lambda:UpdateFunctionConfiguration",
)
_FAILED = "Failed"
# "Inactive" is a version that nobody has called for long: the first call wakes it.
_READY = frozenset({"Active", "Inactive"})
_SETTLED = "Successful"
# So many invocations of a split alias, at most, until the new version has answered each example once.
_MOST_INVOCATIONS = 60
_TAKEN_FROM_LATEST = ("CodeSha256", "MemorySize", "Timeout")


@dataclass(frozen=True)
class _Answer:
    """What came back, and which version gave it."""

    body: Mapping[str, Any]
    version: str


def make_target(aws: Aws, deployment: Deployment) -> Target:
    """Build the target; found by this file's name."""
    return LambdaTarget(aws, deployment)


class LambdaTarget:
    """The stack's function."""

    splits_traffic = True
    calls: Mapping[str, str] = {
        Verb.PREPARE: "lambda:UpdateFunctionConfiguration and PublishVersion, unless there is such a version",
        Verb.TRY: "lambda:Invoke of that version",
        Verb.SHIFT: "lambda:UpdateAlias",
        Verb.CHECK: "lambda:Invoke of the alias",
        Verb.CONFIRM: "lambda:GetAlias",
    }

    def __init__(self, aws: Aws, deployment: Deployment) -> None:
        self._client: Any = aws.client("lambda")
        self._function = deployment.function_name
        self._alias = deployment.function_alias
        self._url = deployment.function_url

    @property
    def resource(self) -> str:
        """`function:alias`."""
        return f"{self._function}:{self._alias}"

    def observe(self) -> dict[str, Any]:
        """What the alias points at."""
        version, weights, _ = self._pointer()
        environment = _environment(self._configuration(version))
        return {"function_version": version, "weights": weights, **describe_environment(environment)}

    def inspect(self) -> dict[str, Any]:
        """The function's state and the address."""
        version, _, _ = self._pointer()
        return {"state": self._configuration(version).get("State", "Active"), "url": self._url}

    def prepare(self, candidate: Candidate) -> Outcome:
        """Publish a version whose environment names the candidate, or find it.

        Takes several looks: the configuration is changed, has to settle, and is then published.
        """
        latest = self._configuration("$LATEST")
        wanted = _environment(latest) | model_environment(candidate)
        found = self._find_version(latest, wanted)
        if found is not None:
            return self._activated(found)
        changed = _environment(latest) != wanted
        status = latest.get("LastUpdateStatus", _SETTLED)
        if status == _FAILED and not changed:
            return Outcome(Observed.FAILED, f"the function's update failed: {latest.get('LastUpdateStatusReason')}")
        if status not in (_SETTLED, _FAILED):
            return Outcome(Observed.WAITING, "the function's configuration settles")
        with translate_errors(f"prepare a version of {self._function}"):
            if changed:
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
        for example in examples:
            outcome = self._judge(self._ask(revision, example.question), candidate, example)
            if outcome.observed is not Observed.DONE:
                return outcome
        return Outcome(Observed.DONE, f"{len(examples)} predictions as in evaluation")

    def shift(self, shift: Shift) -> Outcome:
        """Let the alias send the version its share."""
        before = str(shift.before["function_version"])
        if shift.percent >= 100 or before == shift.revision:
            return self._point(shift.revision, {})
        return self._point(before, {shift.revision: round(shift.percent / 100, 4)})

    def check(self, candidate: Candidate, shift: Shift, examples: Sequence[Example]) -> Outcome:
        """Invoke the alias until the new version has answered every example; what others answer is not judged."""
        answered = 0
        for example in islice(cycle(examples), _MOST_INVOCATIONS):
            answer = self._ask(self._alias, example.question)
            if answer.version == shift.revision:
                outcome = self._judge(answer, candidate, example)
                if outcome.observed is not Observed.DONE:
                    return outcome
                answered += 1
            if answered == len(examples):
                return Outcome(Observed.DONE, f"{answered} predictions through the alias as in evaluation")
        if answered:
            return Outcome(Observed.DONE, f"{answered} predictions through the alias as in evaluation")
        return Outcome(Observed.DOUBTFUL, f"the alias sent none of {_MOST_INVOCATIONS} requests to the new version")

    def restore(self, before: Mapping[str, Any]) -> Outcome:
        """Point the alias back, without weights."""
        return self._point(str(before["function_version"]), {})

    def _judge(self, answer: _Answer, candidate: Candidate, example: Example) -> Outcome:
        outcome = judge_answer(answer.body, candidate, example.expected_label)
        if outcome.observed is Observed.DONE:
            return outcome
        return Outcome(outcome.observed, f"the function's version {answer.version} {outcome.message}")

    def _ask(self, qualifier: str, question: Question) -> _Answer:
        payload = json.dumps(dict(question.event)).encode()
        with translate_errors(f"invoke {self._function}:{qualifier}"):
            answer = self._client.invoke(FunctionName=self._function, Qualifier=qualifier, Payload=payload)
            raw = answer["Payload"].read()
        version = str(answer.get("ExecutedVersion", ""))
        if answer.get("FunctionError"):
            return _Answer({"error": f"{answer['FunctionError']}: {raw[:300]!r}"}, version)
        return _Answer(read_object(raw), version)

    def _point(self, version: str, weights: Mapping[str, float]) -> Outcome:
        found, existing, revision = self._pointer()
        if (found, existing) != (version, dict(weights)):
            with translate_errors(f"point the alias {self._alias} at version {version}"):
                self._client.update_alias(
                    FunctionName=self._function,
                    Name=self._alias,
                    FunctionVersion=version,
                    RoutingConfig={"AdditionalVersionWeights": dict(weights)},
                    RevisionId=revision,
                )
            if self._pointer()[:2] != (version, dict(weights)):
                return Outcome(Observed.WAITING, f"the alias is to point at version {version}")
        shares = ", ".join(f"{share:.0%} to version {number}" for number, share in weights.items())
        return Outcome(Observed.DONE, f"the alias points at version {version}" + (f", {shares}" if shares else ""))

    def _activated(self, version: str) -> Outcome:
        configuration = self._configuration(version)
        state = configuration.get("State", "Active")
        if state == _FAILED:
            return Outcome(Observed.FAILED, f"version {version} failed: {configuration.get('StateReason')}")
        if state not in _READY:
            return Outcome(Observed.WAITING, f"version {version} is {state}")
        return Outcome(Observed.DONE, f"version {version} is ready", version)

    def _find_version(self, latest: Mapping[str, Any], environment: Mapping[str, str]) -> str | None:
        """The newest version that is `$LATEST` as it would be with this environment."""
        with translate_errors(f"list the versions of {self._function}"):
            pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=self._function)
            versions = [version for page in pages for version in page["Versions"] if version["Version"] != "$LATEST"]
        for version in sorted(versions, key=lambda entry: int(entry["Version"]), reverse=True):
            same = all(version.get(key) == latest.get(key) for key in _TAKEN_FROM_LATEST)
            if same and _environment(version) == environment:
                return str(version["Version"])
        return None

    def _pointer(self) -> tuple[str, dict[str, float], str]:
        """The alias's version, its weights, and the alias's own revision."""
        with translate_errors(f"look at the alias {self._alias} of {self._function}"):
            alias = self._client.get_alias(FunctionName=self._function, Name=self._alias)
        weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        shares = {str(version): float(share) for version, share in weights.items()}
        return str(alias["FunctionVersion"]), shares, str(alias["RevisionId"])

    def _configuration(self, qualifier: str) -> dict[str, Any]:
        with translate_errors(f"look at {self._function}:{qualifier}"):
            return dict(self._client.get_function_configuration(FunctionName=self._function, Qualifier=qualifier))


def _environment(configuration: Mapping[str, Any]) -> dict[str, str]:
    return dict((configuration.get("Environment") or {}).get("Variables") or {})
