"""The registry over moto: numbers, moves, promotions, history, and who may be in the way of whom."""

from __future__ import annotations

import io
import itertools
import tarfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from domain_world import DEPLOYMENT, PROVENANCE, write_archive

from ratchet.aws import Check, ConditionFailedError, create, has
from ratchet.errors import (
    ApprovalError,
    ArtefactError,
    ConflictError,
    IllegalMoveError,
    NotFoundError,
    RatchetError,
    SpecError,
)
from ratchet.naming import HEAD_SK, event_sk, model_pk, version_sk
from ratchet.registry import LEGAL_MOVES, EventKind, Stage


def rewrite(world, sk, change):
    """Change an item behind the registry's back."""
    client, key = world.door.client("dynamodb"), {"pk": {"S": model_pk("digits")}, "sk": {"S": sk}}
    item = client.get_item(TableName=DEPLOYMENT.registry_table, Key=key)["Item"]
    client.put_item(TableName=DEPLOYMENT.registry_table, Item=change(item))


def put_in_stage(world, version, stage):
    rewrite(world, version_sk(version), lambda item: {**item, "stage": {"S": stage.value}})


def test_a_registered_version_is_a_stored_candidate(world):
    version = world.register()
    assert (version.version, version.stage) == (1, Stage.CANDIDATE)
    assert version.provenance == PROVENANCE
    assert version.metrics == {"accuracy": 0.9}
    head = world.door.client("s3").head_object(Bucket="ratchet-models", Key="digits/1/model.tar.gz")
    assert version.s3_version_id == head["VersionId"]


def test_the_same_archive_is_the_same_version_whoever_registers_it(world):
    first = world.register("one")
    again = world.registry.register(
        "digits", write_archive(world.folder, "one"), PROVENANCE, {"accuracy": 0.1}, writer="another job"
    )
    assert again == first
    assert [version.version for version in world.registry.list("digits")] == [1]


def test_other_models_count_for_themselves(world):
    assert world.register("one", "digits").version == 1
    assert world.register("one", "letters").version == 1
    assert world.registry.models() == ["digits", "letters"]


def test_fifty_at_once_get_fifty_consecutive_numbers(world):
    archives = [write_archive(world.folder, f"seed-{n}") for n in range(50)]

    def register(archive):
        return world.registry.register("digits", archive, PROVENANCE, {}, writer=archive.name)

    with ThreadPoolExecutor(16) as pool:
        versions = list(pool.map(register, archives))
    assert sorted(version.version for version in versions) == list(range(1, 51))
    assert len({version.digest for version in versions}) == 50
    assert all(version.s3_version_id for version in versions)
    assert world.registry.verify_history("digits").intact


def test_ten_that_register_one_archive_at_once_get_one_version(world):
    archive = write_archive(world.folder, "one")

    def register(number):
        return world.registry.register("digits", archive, PROVENANCE, {}, writer=f"job-{number}")

    with ThreadPoolExecutor(10) as pool:
        versions = list(pool.map(register, range(10)))
    assert {version.version for version in versions} == {1}
    objects = world.door.client("s3").list_object_versions(Bucket="ratchet-models")["Versions"]
    assert len(objects) == 1


@pytest.mark.parametrize("name", ["../escape", "/absolute", "extra.txt"])
def test_refuses_an_archive_that_breaks_the_contract_and_writes_nothing(world, name):
    archive = write_archive(world.folder, "bad")
    unpacked = world.folder / "again.tar.gz"
    with tarfile.open(archive) as old, tarfile.open(unpacked, "w:gz") as new:
        for member in old:
            new.addfile(member, old.extractfile(member))
        new.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ArtefactError, match=r"again\.tar\.gz is not registered"):
        world.registry.register("digits", unpacked, PROVENANCE, {}, writer="job")
    assert world.registry.models() == []


def test_refuses_a_model_name_that_could_leave_its_folder(world):
    with pytest.raises(SpecError, match="no model name"):
        world.register(model="../other")


def test_never_writes_over_an_archive_that_is_not_its_own(world):
    world.door.client("s3").put_object(Bucket="ratchet-models", Key="digits/1/model.tar.gz", Body=b"foreign")
    with pytest.raises(ConflictError, match="holds other content"):
        world.register()


def test_says_what_there_is_when_something_is_not_found(world):
    with pytest.raises(NotFoundError, match="registered are: none yet"):
        world.registry.get("digits", 1)
    world.register()
    with pytest.raises(NotFoundError, match="its versions are 1 to 1"):
        world.registry.get("digits", 2)
    with pytest.raises(NotFoundError, match="registered are: digits"):
        world.registry.get("letters", 1)


def test_metrics_that_are_no_numbers_are_kept_as_they_are(world):
    version = world.registry.register(
        "digits", write_archive(world.folder, "x"), PROVENANCE, {"loss": float("nan")}, writer="job"
    )
    assert str(version.metrics["loss"]) == "nan"


@pytest.mark.parametrize("stage", list(Stage))
def test_no_stage_lets_a_version_make_an_illegal_move(world, stage):
    world.register()
    for expected, to in itertools.product(Stage, Stage):
        if expected is stage and to in LEGAL_MOVES[stage]:
            continue
        put_in_stage(world, 1, stage)
        with pytest.raises(RatchetError):
            world.registry.move("digits", 1, to, expected=expected, actor="x", reason="y")
        assert world.registry.get("digits", 1).stage is stage


def test_a_move_that_was_made_is_not_made_again(world):
    version = world.register()
    first = world.pass_gates(version)
    events = len(world.registry.history("digits"))
    assert world.pass_gates(version) == first
    assert len(world.registry.history("digits")) == events


def test_somebody_elses_move_is_a_conflict_that_says_what_was_found(world):
    world.pass_gates(world.register())
    with pytest.raises(ConflictError, match=r"is passed since .* by run r1 \(all gates passed\); expected"):
        world.registry.move(
            "digits", 1, Stage.PASSED, expected=Stage.CANDIDATE, actor="run r2", reason="all gates passed"
        )


def test_extra_writes_happen_with_the_move_or_not_at_all(world):
    version = world.register()
    lease = create({"pk": "LEASE", "sk": "ecs", "holder": "r1"})
    world.registry.move("digits", 1, Stage.PASSED, expected=Stage.CANDIDATE, actor="r", reason="", extra=[lease])
    second = world.register("two")
    with pytest.raises(ConditionFailedError, match="LEASE ecs is not there yet"):
        world.registry.move("digits", 2, Stage.PASSED, expected=Stage.CANDIDATE, actor="r", reason="", extra=[lease])
    guard = Check("LEASE", "ecs", has(holder="r2"))
    with pytest.raises(ConditionFailedError, match="LEASE ecs has holder r2"):
        world.registry.move("digits", 2, Stage.PASSED, expected=Stage.CANDIDATE, actor="r", reason="", extra=[guard])
    assert world.registry.get("digits", second.version).stage is Stage.CANDIDATE
    assert version.version == 1


def test_an_evaluation_is_kept_and_may_be_kept_again(world):
    world.register()
    evaluation = {"job": "e1", "challenger": {"accuracy": 0.91}, "champion": None, "report_uri": "s3://x/y"}
    assert world.registry.record_evaluation("digits", 1, evaluation).evaluation == evaluation
    events = len(world.registry.history("digits"))
    assert world.registry.record_evaluation("digits", 1, evaluation).evaluation == evaluation
    assert len(world.registry.history("digits")) == events


def test_an_evaluation_stands_once_the_version_was_judged(world):
    version = world.register()
    world.registry.record_evaluation("digits", 1, {"job": "e1"})
    world.pass_gates(version)
    with pytest.raises(IllegalMoveError, match="its evaluation stands"):
        world.registry.record_evaluation("digits", 1, {"job": "e2"})


def test_nothing_is_released_without_an_approval_even_if_its_stage_says_approved(world):
    world.pass_gates(world.register())
    world.registry.move("digits", 1, Stage.APPROVED, expected=Stage.PASSED, actor="mallory", reason="trust me")
    with pytest.raises(ApprovalError, match="nobody has approved exactly this artefact"):
        world.release(world.registry.get("digits", 1))
    put_in_stage(world, 1, Stage.RELEASING)
    rewrite(world, version_sk(1), lambda item: {**item, "against_generation": {"N": "0"}})
    with pytest.raises(ApprovalError, match="nobody has approved"):
        world.promote(world.registry.get("digits", 1))
    assert world.registry.champion("digits") is None


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.RELEASING])
def test_promotes_only_what_is_being_released(world, stage):
    world.prepare_release("one")
    put_in_stage(world, 1, stage)
    with pytest.raises(IllegalMoveError, match="only a version that is being released"):
        world.promote(world.registry.get("digits", 1))
    assert world.registry.champion("digits") is None


def test_a_promotion_moves_alias_and_both_stages_together(world):
    first, second = world.crown("one"), world.crown("two")
    assert world.registry.champion("digits").version == second.version
    assert world.registry.get("digits", first.version).stage is Stage.RETIRED
    alias = world.registry.alias("digits")
    assert (alias.version, alias.generation, alias.actor) == (2, 2, "run r1")


def test_a_promotion_that_was_made_is_not_made_again(world):
    champion = world.crown("one")
    events = len(world.registry.history("digits"))
    assert world.promote(champion) == champion
    assert len(world.registry.history("digits")) == events


def test_many_that_make_one_change_at_once_all_find_it_made(world):
    version = world.prepare_release("one")

    def promote(number):
        lock = create({"pk": "LOCK", "sk": "closed", "holder": "release 1"})
        return world.registry.promote("digits", version.version, actor="run r1", reason="x", extra=[lock])

    with ThreadPoolExecutor(8) as pool:
        champions = list(pool.map(promote, range(8)))
    assert {champion.stage for champion in champions} == {Stage.CHAMPION}
    promotions = [event for event in world.registry.history("digits") if event.kind is EventKind.PROMOTED]
    assert len(promotions) == 1


@pytest.mark.parametrize("call", range(6))
def test_a_promotion_made_between_two_calls_of_the_same_one_is_found_made(world, call):
    version, calls = world.prepare_release("one"), itertools.count()

    def promote_first(name, go_on):
        if next(calls) == call:
            world.promote(version)
        return go_on()

    assert world.through(promote_first).promote(version).stage is Stage.CHAMPION
    assert next(calls) > call
    promotions = [event for event in world.registry.history("digits") if event.kind is EventKind.PROMOTED]
    assert len(promotions) == 1


def test_of_many_promotions_at_once_exactly_one_wins_and_the_losers_learn_who(world):
    world.crown("reigning")
    contenders = [world.prepare_release(f"seed-{n}") for n in range(8)]

    def promote(version):
        try:
            return world.promote(version, actor=f"run {version.version}").version
        except ConflictError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(promote, contenders))
    winners = [answer for answer in answers if isinstance(answer, int)]
    (winner,) = winners
    assert world.registry.champion("digits").version == winner
    losers = [answer for answer in answers if isinstance(answer, str)]
    assert all(f"version {winner} became champion" in message for message in losers)
    stages = [version.stage for version in world.registry.list("digits")]
    assert stages.count(Stage.CHAMPION) == 1
    assert world.registry.verify_history("digits").intact


def test_a_retired_version_can_be_released_again(world):
    first = world.crown("one")
    world.crown("two")
    back = world.promote(world.release(world.registry.get("digits", first.version), expected=Stage.RETIRED))
    assert back.stage is Stage.CHAMPION
    assert world.registry.get("digits", 2).stage is Stage.RETIRED


def test_knows_who_was_champion_at_every_instant(world):
    start = world.clock.now()
    world.clock.pass_by(hours=1)
    world.crown("one")
    world.clock.pass_by(hours=1)
    world.crown("two")
    at = [world.registry.champion_at("digits", start + timedelta(hours=hours)) for hours in (0, 1, 1.5, 2, 9)]
    assert [record and record.version for record in at] == [None, 1, 1, 2, 2]
    assert (at[1].actor, at[1].reason) == ("run r1", "rollout healthy")


def test_the_history_tells_the_whole_way_in_order(world):
    world.crown("one")
    events = world.registry.history("digits")
    assert [event.kind for event in events] == [
        EventKind.REGISTERED,
        EventKind.STORED,
        EventKind.MOVED,
        EventKind.MOVED,
        EventKind.MOVED,
        EventKind.PROMOTED,
    ]
    assert [event.detail.get("after") for event in events if event.kind is EventKind.MOVED] == [
        "passed",
        "approved",
        "releasing",
    ]


def test_finds_events_that_were_changed_or_dropped_in_the_table(world):
    world.crown("one")
    client = world.door.client("dynamodb")
    rewrite(world, event_sk(3), lambda item: {**item, "body": {"S": item["body"]["S"].replace("run r1", "run r2")}})
    assert world.registry.verify_history("digits").first_bad == 3
    client.delete_item(
        TableName=DEPLOYMENT.registry_table,
        Key={"pk": {"S": model_pk("digits")}, "sk": {"S": event_sk(2)}},
    )
    assert world.registry.verify_history("digits").first_bad == 2


def test_finds_a_history_whose_end_was_cut_off(world):
    world.crown("one")
    client = world.door.client("dynamodb")
    client.delete_item(
        TableName=DEPLOYMENT.registry_table,
        Key={"pk": {"S": model_pk("digits")}, "sk": {"S": event_sk(6)}},
    )
    report = world.registry.verify_history("digits")
    assert (report.intact, report.first_bad, report.problem) == (False, 6, "6 events were written, 5 are there")
    rewrite(world, HEAD_SK, lambda item: {**item, "sequence": {"N": "5"}})
    assert not world.registry.verify_history("digits").intact
