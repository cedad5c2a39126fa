"""A response is lost, or a process dies, right after a write: the same end, nothing twice, no false conflict."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from domain_world import DEPLOYMENT, LostResponse, World, fresh_world

from ratchet.data import ClaimKey

VERSION, IDENTITY = "v" * 64, "i" * 64


def register(seed):
    return lambda world: world.register(seed)


def evaluate(world):
    world.registry.record_evaluation("digits", 1, {"job": "e1", "challenger": {"accuracy": 0.9}})


def on(number, verb):
    return lambda world: verb(world, world.registry.get("digits", number))


def way_up(number):
    return [on(number, verb) for verb in (World.pass_gates, World.decide, World.release, World.promote)]


def freeze(world):
    world.datasets.freeze("digits", "test")


def claim(world):
    assert world.claims.take(ClaimKey("digits", VERSION, IDENTITY), holder="r1").granted


def finish(world):
    assert world.claims.finish(ClaimKey("digits", VERSION, IDENTITY), holder="r1", outcome="promoted").granted


def expire(world):
    world.approvals.expire("digits", 1, "nobody answered")


# Each journey is a run of steps, as the loop makes them, and the number of its mutating calls.
JOURNEYS = {
    "freeze": ([freeze], 3),
    "claim": ([claim, finish], 2),
    "expire": ([register("one"), evaluate, on(1, World.pass_gates), expire], 6),
    "champion": ([register("one"), evaluate, *way_up(1), register("two"), *way_up(2)], 15),
}
CASES = [(journey, position) for journey, (_, count) in JOURNEYS.items() for position in range(count)]


class Dead(BaseException):
    """`kill -9`, as far as the code above can tell."""


class LostThenRefused(LostResponse):
    """As botocore does it: the response is lost, the same request is sent again, and its condition fails."""

    def __call__(self, name, call):
        try:
            return super().__call__(name, call)
        except ReadTimeoutError:
            return call()


class Killed(LostResponse):
    """The write happens and nobody lives to see it."""

    def __call__(self, name, call):
        try:
            return super().__call__(name, call)
        except ReadTimeoutError:
            raise Dead from None


def walk(world, journey, disturb):
    """Make the steps; a step whose process died is made again by the next process, through an undisturbed door."""
    world.upload("0/a.png", b"zero")
    disturbed = world.through(disturb)
    for step in JOURNEYS[journey][0]:
        try:
            step(disturbed)
        except Dead:
            step(world)
    return describe(world)


def describe(world):
    """What is in the tables and buckets, without times, tokens and revisions."""
    dynamodb, s3 = world.door.client("dynamodb"), world.door.client("s3")
    rows = [
        (item["pk"]["S"], item["sk"]["S"], item.get("stage", item.get("state")), _happening(item))
        for table in (DEPLOYMENT.registry_table, DEPLOYMENT.ledger_table)
        for item in dynamodb.scan(TableName=table)["Items"]
    ]
    objects = [
        (bucket, version["Key"])
        for bucket in (DEPLOYMENT.data_bucket, DEPLOYMENT.models_bucket)
        for version in s3.list_object_versions(Bucket=bucket).get("Versions", [])
    ]
    return sorted(rows, key=str), sorted(objects)


def _happening(item):
    if "body" not in item:
        return None
    body = json.loads(item["body"]["S"])
    body["detail"].pop("s3_version_id", None)
    return {name: body[name] for name in ("sequence", "kind", "actor", "version", "detail")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    ends = {}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        for journey in JOURNEYS:
            with fresh_world(tmp_path_factory.mktemp(journey)) as world:
                ends[journey] = walk(world, journey, lambda _, call: call())
    return ends


@pytest.mark.parametrize("loss", [LostResponse, LostThenRefused, Killed])
@pytest.mark.parametrize(("journey", "position"), CASES)
def test_comes_to_the_same_end(undisturbed, world, journey, position, loss):
    disturb = loss(position)
    assert walk(world, journey, disturb) == undisturbed[journey]
    assert len(disturb.seen) > position
    if journey == "champion":
        assert world.registry.verify_history("digits").intact


@pytest.mark.parametrize("journey", JOURNEYS)
def test_every_mutating_call_of_a_journey_is_disturbed(world, journey):
    watch = LostResponse(position=-1)
    walk(world, journey, watch)
    assert len(watch.seen) == JOURNEYS[journey][1]


def test_the_disturbance_is_what_aws_would_do(world):
    """The second of two equal conditional writes is refused; otherwise these tests would prove nothing."""
    refused = []

    def disturb(name, call):
        if name != "put_item":
            return call()
        call()
        try:
            return call()
        except ClientError as error:
            refused.append(error.response["Error"]["Code"])
            raise

    claim(world.through(disturb))
    assert refused == ["ConditionalCheckFailedException"]
