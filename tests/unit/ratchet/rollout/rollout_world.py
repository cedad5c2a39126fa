"""A world in memory for rollouts: a table with conditions, a bucket, two targets, and a clock by hand."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from ratchet.approval import Approvals
from ratchet.aws import Deployment, Table, create
from ratchet.registry import ModelVersion, Provenance, Registry, Stage
from ratchet.registry.record import Birth, new_version_item
from ratchet.rollout import Releases
from ratchet.rollout.example import Example
from ratchet.rollout.machine import Observed, Outcome
from ratchet.rollout.plan import Candidate, Verb
from ratchet.rollout.targets import Shift
from ratchet.spec import Release as ReleaseSpec

DEPLOYMENT = Deployment(**{item.name: item.name.replace("_", "-") for item in fields(Deployment)})
SPEC = ReleaseSpec(targets=("ecs", "lambda"), tasks=2, canary_percent=10, smoke_images=2, health_timeout_seconds=60)
MODEL = "digits"
POLL_SECONDS = 5.0


class Killed(BaseException):
    """The process ends here, without a word."""


class HandClock:
    def __init__(self) -> None:
        self.moment = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class FakeDynamo:
    """The four calls that `Table` makes, with the conditions that it writes."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Any] = {}
        self.on_write: Callable[[Callable[[], Any]], Any] = lambda write: write()

    def get_item(self, *, Key: Any, **_: Any) -> Any:
        item = self.items.get(_key(Key))
        return {"Item": item} if item else {}

    def query(self, *, ExpressionAttributeValues: Any, **_: Any) -> Any:
        pk = ExpressionAttributeValues[":pk"]["S"]
        prefix = ExpressionAttributeValues.get(":prefix", {"S": ""})["S"]
        keys = sorted(key for key in self.items if key[0] == pk and key[1].startswith(prefix))
        return {"Items": [self.items[key] for key in keys]}

    def put_item(self, **put: Any) -> Any:
        return self.on_write(lambda: self._put(put))

    def transact_write_items(self, *, TransactItems: Any, **_: Any) -> Any:
        return self.on_write(lambda: self._transact([next(iter(item.items())) for item in TransactItems]))

    def _put(self, put: Any) -> None:
        found = self.items.get(_key(put["Item"]))
        if not _holds(found, put):
            body: Any = {"Error": {"Code": "ConditionalCheckFailedException", "Message": ""}, "Item": found}
            raise ClientError(body, "PutItem")
        self.items[_key(put["Item"])] = put["Item"]

    def _transact(self, writes: list[tuple[str, Any]]) -> None:
        reasons, failed = [], False
        for _, body in writes:
            found = self.items.get(_key(body.get("Item") or body["Key"]))
            good = _holds(found, body)
            failed |= not good
            reasons.append({"Code": "None"} if good else {"Code": "ConditionalCheckFailed", "Item": found})
        if failed:
            error: Any = {"Error": {"Code": "TransactionCanceledException", "Message": ""}}
            raise ClientError({**error, "CancellationReasons": reasons}, "TransactWriteItems")
        for kind, body in writes:
            if kind == "Put":
                self.items[_key(body["Item"])] = body["Item"]


def _key(item: Any) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _holds(item: Any, write: Any) -> bool:
    expression = write["ConditionExpression"]
    if expression == "attribute_not_exists(pk)":
        return item is None
    names, values = write["ExpressionAttributeNames"], write["ExpressionAttributeValues"]
    pairs = [part.split(" = ") for part in expression.split(" AND ")]
    return item is not None and all(item.get(names[name]) == values[value] for name, value in pairs)


class FakeBucket:
    """The one call that reads an object."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get_object(self, *, Key: str, **_: Any) -> Any:
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": Key}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}


class FakeCloudWatch:
    """The one call that says which alarms ring, and since when."""

    def __init__(self) -> None:
        self.alarms: dict[str, str] = {}

    def describe_alarms(self, *, AlarmNames: list[str], StateValue: str) -> Any:
        assert (AlarmNames, StateValue) == (["alarm-names"], "ALARM")
        found = [{"AlarmName": name, "StateTransitionedTimestamp": since} for name, since in self.alarms.items()]
        return {"MetricAlarms": found}


@dataclass
class FakeTarget:
    """A place that serves a model: revisions, a pointer, a share; every effect is written down.

    `before_verb` is called before each verb with its name, `outcome_of` may replace what the verb comes to.
    """

    name: str
    splits_traffic: bool
    clock: HandClock
    revisions: list[str] = field(default_factory=list)
    live: str = ""
    canary: tuple[str, float] | None = None
    settling: int = 0
    effects: list[tuple[str, ...]] = field(default_factory=list)
    on_effect: Callable[[Callable[[], Any]], Any] = lambda act: act()
    outcome_of: Callable[[Any, str, Verb | str], Outcome | None] = lambda *_: None
    calls: Mapping[str, str] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        return f"the {self.name}"

    def observe(self) -> dict[str, Any]:
        version, _, digest = self.live.partition(":")
        return {"model_version": version, "digest": digest, "revision": self.live}

    def inspect(self) -> dict[str, Any]:
        return {}

    def prepare(self, candidate: Candidate) -> Outcome:
        if forced := self.outcome_of(self, self.name, Verb.PREPARE):
            return forced
        revision = f"{candidate.version}:{candidate.digest}"
        if revision not in self.revisions:
            self._act(lambda: self.revisions.append(revision), "prepare", revision)
            return Outcome(Observed.WAITING, "being made")
        return Outcome(Observed.DONE, "made", revision)

    def try_out(self, candidate: Candidate, revision: str, examples: list[Example]) -> Outcome:
        assert examples
        return self.outcome_of(self, self.name, Verb.TRY) or Outcome(Observed.DONE)

    def shift(self, shift: Shift) -> Outcome:
        if forced := self.outcome_of(self, self.name, Verb.SHIFT):
            return forced
        wanted = (shift.revision, None) if shift.percent >= 100 else (self.live, (shift.revision, shift.percent))
        return self._move(*wanted, may_ask=not shift.asked)

    def check(self, candidate: Candidate, shift: Shift, examples: list[Example]) -> Outcome:
        return self.outcome_of(self, self.name, Verb.CHECK) or Outcome(Observed.DONE)

    def restore(self, before: Mapping[str, Any]) -> Outcome:
        if forced := self.outcome_of(self, self.name, "restore"):
            return forced
        return self._move(before["revision"], None, may_ask=True)

    def _move(self, live: str, canary: tuple[str, float] | None, *, may_ask: bool) -> Outcome:
        if (self.live, self.canary) != (live, canary):
            if not may_ask:
                return Outcome(Observed.FAILED, "went back by itself")

            def act() -> None:
                self.live, self.canary, self.settling = live, canary, 2

            self._act(act, "move", live, str(canary))
            return Outcome(Observed.WAITING, "asked", asked=True)
        if self.settling:
            self.settling -= 1
            return Outcome(Observed.WAITING, "settles")
        return Outcome(Observed.DONE, "settled")

    def _act(self, act: Callable[[], Any], *what: str) -> None:
        self.on_effect(act)
        self.effects.append(what)


class World:
    """Everything that a release needs, with real registry and approvals over the table in memory."""

    def __init__(self, *, champion: bool = True) -> None:
        self.clock = HandClock()
        self.dynamo = FakeDynamo()
        self.bucket = FakeBucket()
        self.cloudwatch = FakeCloudWatch()
        self.table = Table(self, DEPLOYMENT.registry_table)  # type: ignore[arg-type]
        self.registry = Registry(self, DEPLOYMENT, self.clock)  # type: ignore[arg-type]
        self.approvals = Approvals(self, DEPLOYMENT, self.clock, self.registry)  # type: ignore[arg-type]
        self.targets = {
            "ecs": FakeTarget("ecs", splits_traffic=False, clock=self.clock),
            "lambda": FakeTarget("lambda", splits_traffic=True, clock=self.clock),
        }
        if champion:
            self.release_whole(self.approved())

    def client(self, service: str) -> Any:
        return {"dynamodb": self.dynamo, "s3": self.bucket, "cloudwatch": self.cloudwatch}[service]

    @property
    def releases(self) -> Releases:
        """A new process's view: it remembers nothing."""
        return Releases(
            self,  # type: ignore[arg-type]
            DEPLOYMENT,
            self.registry,
            self.approvals,
            clock=self.clock,
            make_target=lambda name, *_: self.targets[name],
        )

    def passed(self) -> ModelVersion:
        """A version that waits for a decision, evaluated, with smoke examples."""
        number = len(self.registry.list(MODEL)) + 1
        digest = f"{number}" * 64
        birth = Birth(
            MODEL, number, digest, f"s3://models/{number}", PROVENANCE, {}, at="2030-01-01T00:00:00.000Z", writer="job"
        )
        item = {**new_version_item(birth), "evaluation": {"job": f"job-{number}"}}
        self.table.write(create(item), writer=f"birth {number}", action="register")
        image = base64.b64encode(b"pixels").decode()
        examples = [{"image_base64": image, "expected_label": "7"}] * 3
        key = f"{MODEL}/{number}/report/job-{number}/smoke.json"
        self.bucket.objects[key] = json.dumps({"examples": examples}).encode()
        return self.registry.move(
            MODEL, number, Stage.PASSED, expected=Stage.CANDIDATE, actor="run", reason="gates passed"
        )

    def approved(self) -> ModelVersion:
        version = self.passed()
        self.approvals.record(
            MODEL,
            version.version,
            digest=version.digest,
            approved=True,
            who="alice",
            comment="",
            approvers=("alice",),
            via="test",
        )
        return self.registry.get(MODEL, version.version)

    def begin(self, version: ModelVersion) -> None:
        """What the release task does first; may be repeated."""
        now = self.registry.get(MODEL, version.version)
        releases = self.releases
        releases.begin(now, releases.plan(now, SPEC), run_id="run", actor="alice")

    def drive(self, version: ModelVersion, looks: int = 200) -> Any:
        """What the waiting task does: one look each poll interval, each in a process that remembers nothing."""
        for _ in range(looks):
            progress = self.releases.open(MODEL, version.version).advance()
            if progress.done:
                return progress
            self.clock.sleep(POLL_SECONDS)
        raise AssertionError(f"it did not end: {progress}")

    def release_whole(self, version: ModelVersion) -> ModelVersion:
        self.begin(version)
        assert self.drive(version).succeeded
        return self.releases.promote(MODEL, version.version, actor="run")

    def served(self) -> dict[str, str]:
        """Digest that each target serves."""
        return {name: target.observe()["digest"] for name, target in self.targets.items()}

    def stage(self, version: ModelVersion) -> Stage:
        return self.registry.get(MODEL, version.version).stage

    def locks(self) -> set[str]:
        return self.releases.locks(("ecs", "lambda")).holders()

    def forget_effects(self) -> None:
        for target in self.targets.values():
            target.effects.clear()


PROVENANCE = Provenance(
    pipeline=MODEL,
    run_id="run",
    dataset=MODEL,
    dataset_version="d" * 64,
    code_digest="c" * 64,
    git_commit="abc",
    image_uri="",
    hyperparameters={},
    job_name="job",
)
