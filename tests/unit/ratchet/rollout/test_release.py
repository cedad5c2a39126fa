"""Releases from begin to promotion or back: every step failing once, every kill, every lost response, two workers."""

from __future__ import annotations

from contextlib import suppress

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import MODEL, POLL_SECONDS, SPEC, Killed, World

from ratchet.errors import ApprovalError, ConflictError, NotPermittedError, ReleaseError, UnavailableError
from ratchet.registry import Stage
from ratchet.rollout import Phase, State
from ratchet.rollout.controller import CLAIM_SECONDS
from ratchet.rollout.machine import Observed, Outcome
from ratchet.rollout.plan import Verb


@pytest.fixture
def world():
    found = World()
    found.forget_effects()
    return found


@pytest.fixture
def champion(world):
    return world.registry.champion(MODEL)


@pytest.fixture
def challenger(world):
    return world.approved()


def planned_verbs(world, version):
    steps = world.releases.plan(version, SPEC).steps
    return [(step.target, step.verb, step.percent) for step in steps]


def assert_back(world, champion, challenger):
    assert set(world.served().values()) == {champion.digest}
    assert [target.canary for target in world.targets.values()] == [None, None]
    assert world.stage(challenger) is Stage.ROLLED_BACK
    assert world.registry.champion(MODEL).version == champion.version
    assert world.locks() == set()


def test_a_release_puts_the_same_artefact_on_every_target_and_is_then_promoted(world, challenger):
    world.begin(challenger)
    progress = world.drive(challenger)
    assert (progress.phase, progress.succeeded) == (Phase.HEALTHY, True)
    assert set(world.served().values()) == {challenger.digest}
    assert world.stage(challenger) is Stage.RELEASING
    world.releases.promote(MODEL, challenger.version, actor="run")
    assert world.registry.champion(MODEL).version == challenger.version
    assert world.locks() == set()


def test_no_effect_is_asked_for_twice(world, challenger):
    world.begin(challenger)
    world.drive(challenger)
    for target in world.targets.values():
        assert len(target.effects) == len(set(target.effects))


def test_traffic_is_shared_before_it_is_moved(world, challenger):
    verbs = planned_verbs(world, challenger)
    assert verbs.index(("lambda", Verb.TRY, 0.0)) < verbs.index(("lambda", Verb.SHIFT, 10.0))
    assert verbs.index(("lambda", Verb.CHECK, 10.0)) < verbs.index(("ecs", Verb.SHIFT, 100.0))
    assert verbs.index(("ecs", Verb.CHECK, 100.0)) < verbs.index(("lambda", Verb.SHIFT, 100.0))


def test_a_first_release_shares_no_traffic_with_nothing_and_goes_back_to_nothing():
    world = World(champion=False)
    first = world.approved()
    assert ("lambda", Verb.SHIFT, 10.0) not in planned_verbs(world, first)
    world.targets["lambda"].outcome_of = lambda _, __, verb: (
        Outcome(Observed.FAILED, "says 3") if verb is Verb.CHECK else None
    )
    world.begin(first)
    progress = world.drive(first)
    assert "serves no model, as before" in progress.message
    assert world.served() == {"ecs": "", "lambda": ""}
    assert world.stage(first) is Stage.ROLLED_BACK


FAILURES = {
    "failed": lambda: Outcome(Observed.FAILED, "says 3 to a 7"),
    "doubtful": lambda: Outcome(Observed.DOUBTFUL, "does not answer"),
    "never done": lambda: Outcome(Observed.WAITING, "0 of 2 tasks run"),
}
ERRORS = {"refused": NotPermittedError("AccessDenied"), "away": UnavailableError("throttled")}


@pytest.mark.parametrize("failure", [*FAILURES, *ERRORS])
@pytest.mark.parametrize("position", range(9))  # the two steps that confirm have a test of their own
def test_a_failure_at_any_step_sends_every_target_back(world, champion, challenger, position, failure):
    steps = planned_verbs(world, challenger)
    target, verb, percent = steps[position]
    seen = []

    def fail(_, name, called):
        step = world.releases.open(MODEL, challenger.version).rollout.due
        if step is None or (step.target, step.verb, step.percent) != (target, verb, percent):
            return None
        seen.append(called)
        if failure in ERRORS:
            raise ERRORS[failure]
        return FAILURES[failure]()

    for found in world.targets.values():
        found.outcome_of = fail
    world.begin(challenger)
    progress = world.drive(challenger)
    assert (progress.phase, progress.done, progress.succeeded) == (Phase.DEGRADED, True, False)
    assert str(verb) in progress.message
    assert f"serves version {champion.version}" in progress.message
    assert seen
    assert_back(world, champion, challenger)
    with pytest.raises(ReleaseError, match="rolled_back"):
        world.releases.promote(MODEL, challenger.version, actor="run")


def test_the_steps_that_can_fail_are_all_covered(world, challenger):
    verbs = [verb for _, verb, _ in planned_verbs(world, challenger)]
    assert verbs[9:] == [Verb.CONFIRM, Verb.CONFIRM]


def test_a_target_that_somebody_changed_meanwhile_sends_every_target_back(world, champion, challenger):
    world.begin(challenger)
    ecs = world.targets["ecs"]

    def meddle(_, name, verb):
        if (name, verb) == ("lambda", Verb.SHIFT) and ecs.live.endswith(challenger.digest):
            ecs.live = champion_revision

    champion_revision = ecs.live
    world.targets["lambda"].outcome_of = meddle
    progress = world.drive(challenger)
    assert "somebody changed it" in progress.message
    assert_back(world, champion, challenger)


def test_one_doubtful_answer_is_no_verdict(world, challenger):
    doubts = iter([Outcome(Observed.DOUBTFUL, "502")] * 2)
    world.targets["ecs"].outcome_of = lambda _, __, verb: next(doubts, None) if verb is Verb.CHECK else None
    world.begin(challenger)
    assert world.drive(challenger).succeeded


def test_a_target_that_goes_back_by_itself_fails_the_release(world, champion, challenger):
    ecs = world.targets["ecs"]
    before = ecs.live

    def trip(_, name, verb):
        if name == "ecs" and verb is Verb.SHIFT and ecs.settling:
            ecs.live = before

    ecs.outcome_of = trip
    world.begin(challenger)
    assert "went back by itself" in world.drive(challenger).message
    assert_back(world, champion, challenger)


class KillSwitch:
    """Ends the process just before or just after the n-th effect on the world."""

    def __init__(self, world, position, *, after):
        self.position, self.after, self.count = position, after, 0
        world.dynamo.on_write = self
        for target in world.targets.values():
            target.on_effect = self

    def __call__(self, act):
        self.count += 1
        if self.count == self.position and not self.after:
            raise Killed
        done = act()
        if self.count == self.position:
            raise Killed
        return done


def live_through_it(world, challenger):
    """What Airflow does: runs the task again after a kill, from the start."""
    for _ in range(5):
        try:
            world.begin(challenger)
            progress = world.drive(challenger)
            if progress.succeeded:
                world.releases.promote(MODEL, challenger.version, actor="run")
        except Killed:
            world.clock.sleep(POLL_SECONDS)
        except ApprovalError:
            return
        else:
            return


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("healthy", [True, False], ids=["healthy", "broken"])
def test_a_kill_at_any_effect_ends_like_no_kill(after, healthy):
    position, killed = 0, True
    while killed:
        position += 1
        world = World()
        champion, challenger = world.registry.champion(MODEL), world.approved()
        world.forget_effects()
        if not healthy:
            world.targets["lambda"].outcome_of = lambda target, _, verb: (
                Outcome(Observed.FAILED, "says 3") if verb is Verb.CHECK and not target.canary else None
            )
        switch = KillSwitch(world, position, after=after)
        live_through_it(world, challenger)
        killed = switch.count >= position
        if healthy:
            assert set(world.served().values()) == {challenger.digest}
            assert world.registry.champion(MODEL).version == challenger.version
            assert world.locks() == set()
        else:
            assert_back(world, champion, challenger)
        for target in world.targets.values():
            assert len(target.revisions) == 2
            assert len([effect for effect in target.effects if effect[0] == "prepare"]) <= 1
        assert world.registry.verify_history(MODEL).intact
    assert position > 30


def test_a_lost_response_to_any_write_is_no_conflict():
    position, lost = 0, True
    while lost:
        position += 1
        world = World()
        challenger = world.approved()
        count = 0

        def lose(write, position=position):
            nonlocal count
            count += 1
            answer = write()
            if count == position:
                raise ReadTimeoutError(endpoint_url="http://lost")
            return answer

        world.dynamo.on_write = lose
        live_through_it(world, challenger)
        lost = count >= position
        assert world.registry.champion(MODEL).version == challenger.version
        kinds = [event.kind for event in world.registry.history(MODEL) if event.version == challenger.version]
        assert len(kinds) == len({(kind, index) for index, kind in enumerate(kinds)})
        assert kinds.count("promoted") == 1
    assert position > 30


def test_while_one_worker_is_at_a_step_another_does_nothing(world, challenger):
    world.begin(challenger)
    seen = []

    def look_in(_, __, verb):
        before = [list(target.effects) for target in world.targets.values()]
        other = world.releases.open(MODEL, challenger.version).advance()
        seen.append((other.phase, before == [list(target.effects) for target in world.targets.values()]))

    world.targets["ecs"].outcome_of = look_in
    assert world.drive(challenger).succeeded
    assert set(seen) == {(Phase.PAUSED, True)}


def test_a_worker_that_was_overtaken_is_fenced(world, challenger):
    world.begin(challenger)
    overtaken = []

    def fall_asleep(target, _, verb):
        if verb is Verb.PREPARE and not overtaken:
            overtaken.append(verb)
            world.clock.sleep(CLAIM_SECONDS / 2)
            for _ in range(4):
                world.releases.open(MODEL, challenger.version).advance()

    world.targets["ecs"].outcome_of = fall_asleep
    sleeper = world.releases.open(MODEL, challenger.version)
    assert sleeper.advance().phase is Phase.PAUSED
    assert world.releases.open(MODEL, challenger.version).rollout.step == 2
    assert world.drive(challenger).succeeded
    assert world.targets["ecs"].revisions.count(f"{challenger.version}:{challenger.digest}") == 1


def test_an_aborted_release_goes_back_even_while_a_worker_shifts_traffic(world, champion, challenger):
    world.begin(challenger)
    aborted = []

    def abort(target, _, verb):
        if verb is Verb.SHIFT and target.name == "ecs" and not aborted:
            release = world.releases.open(MODEL, challenger.version)
            aborted.append(release._turn("stopped by a person"))

    world.targets["ecs"].outcome_of = abort
    for _ in range(30):
        fenced = world.releases.open(MODEL, challenger.version).advance()
        if aborted:
            break
    assert fenced.phase is Phase.PAUSED
    assert world.releases.open(MODEL, challenger.version).advance().phase is Phase.DEGRADED  # nobody waits for a claim
    progress = world.drive(challenger)
    assert "stopped by a person" in progress.message
    assert_back(world, champion, challenger)


def test_abort_sees_the_release_back_by_itself(world, champion, challenger):
    world.begin(challenger)
    for _ in range(9):
        world.releases.open(MODEL, challenger.version).advance()
    assert world.releases.open(MODEL, challenger.version).abort("stopped by a person").done
    assert_back(world, champion, challenger)


def test_a_release_that_was_carried_out_can_still_be_aborted_until_it_is_promoted(world, champion, challenger):
    world.begin(challenger)
    world.drive(challenger)
    world.releases.open(MODEL, challenger.version).abort("stopped by a person")
    assert_back(world, champion, challenger)


def test_aborting_a_promoted_release_changes_nothing(world, challenger):
    world.release_whole(challenger)
    assert world.releases.open(MODEL, challenger.version).abort("too late").succeeded
    assert set(world.served().values()) == {challenger.digest}


def test_nothing_begins_without_an_approval_of_this_artefact(world):
    waiting = world.passed()
    plan = world.releases.plan(waiting, SPEC)
    items = dict(world.dynamo.items)
    with pytest.raises(ApprovalError):
        world.releases.begin(waiting, plan, run_id="run", actor="mallory")
    assert world.dynamo.items == items


def test_nothing_begins_without_examples_to_check_with(world, challenger):
    world.bucket.objects.clear()
    with pytest.raises(Exception, match=r"smoke\.json"):
        world.begin(challenger)
    assert world.stage(challenger) is Stage.APPROVED


def test_two_releases_never_overlap(world, challenger):
    other = world.approved()
    world.begin(challenger)
    with pytest.raises(ConflictError, match="wait for its end"):
        world.begin(other)
    world.drive(challenger)
    with pytest.raises(ConflictError, match="carried_out"):
        world.begin(other)
    world.releases.promote(MODEL, challenger.version, actor="run")
    world.release_whole(other)
    assert set(world.served().values()) == {other.digest}


def test_a_plan_from_before_another_release_does_not_begin(world, challenger):
    other = world.approved()
    stale = world.releases.plan(other, SPEC)
    world.release_whole(challenger)
    with pytest.raises(ConflictError, match="plan it again"):
        world.releases.begin(other, stale, run_id="run", actor="alice")
    assert world.stage(other) is Stage.APPROVED
    world.release_whole(other)


@pytest.mark.parametrize("looks", [0, 4, 9, 40])
def test_an_abandoned_release_is_brought_back_before_the_next_one(world, champion, challenger, looks):
    world.begin(challenger)
    for _ in range(looks):
        world.releases.open(MODEL, challenger.version).advance()
    other = world.approved()
    world.clock.sleep(SPEC.health_timeout_seconds * 2 + 301)
    with pytest.raises(ConflictError, match="abandoned"):
        world.begin(other)
    assert_back(world, champion, challenger)
    world.release_whole(other)
    assert set(world.served().values()) == {other.digest}


def test_a_way_back_that_gets_stuck_is_told_and_mended_later(world, champion, challenger):
    stuck = [True]

    def fail(_, name, verb):
        if verb is Verb.CHECK:
            return Outcome(Observed.FAILED, "says 3")
        if verb == "restore" and name == "ecs" and stuck:
            raise UnavailableError("ECS is away")
        return None

    for target in world.targets.values():
        target.outcome_of = fail
    world.begin(challenger)
    progress = world.drive(challenger)
    assert progress.done
    assert "a person has to look" in progress.message
    assert world.targets["lambda"].live.endswith(champion.digest)
    assert world.stage(challenger) is Stage.RELEASING
    stuck.clear()
    world.begin(challenger)
    world.drive(challenger)
    assert_back(world, champion, challenger)


def test_a_retired_version_is_released_again_as_the_next_attempt(world, champion, challenger):
    world.release_whole(challenger)
    assert world.stage(champion) is Stage.RETIRED
    world.forget_effects()
    world.release_whole(champion)
    assert set(world.served().values()) == {champion.digest}
    assert world.releases.open(MODEL, champion.version).item["attempt"] == 2
    assert [effect for target in world.targets.values() for effect in target.effects if effect[0] == "prepare"] == []


def test_the_release_task_run_again_shows_the_plan_that_is_carried_out(world, challenger):
    plan = world.releases.plan(challenger, SPEC)
    world.begin(challenger)
    for _ in range(20):
        world.releases.open(MODEL, challenger.version).advance()
    again = world.releases.plan(world.registry.get(MODEL, challenger.version), SPEC)
    assert again == plan


BAKING = SPEC.model_copy(update={"bake_seconds": 300})


def test_an_alarm_sends_every_target_back_from_wherever_the_release_is(world, champion, challenger):
    world.begin(challenger)
    for _ in range(9):
        world.releases.open(MODEL, challenger.version).advance()
    assert world.targets["lambda"].canary is not None
    world.cloudwatch.alarms["errors"] = "12:00"
    progress = world.drive(challenger)
    assert "the alarm errors rings" in progress.message
    assert_back(world, champion, challenger)


def test_an_alarm_that_rang_before_does_not_stop_a_fix_until_it_rings_anew(world, champion, challenger):
    world.cloudwatch.alarms["errors"] = "12:00"
    world.begin(challenger)
    assert world.releases.open(MODEL, challenger.version).advance().phase is Phase.PROGRESSING
    world.cloudwatch.alarms["errors"] = "12:05"
    world.drive(challenger)
    assert_back(world, champion, challenger)
    fix = world.approved()
    world.release_whole(fix)
    assert set(world.served().values()) == {fix.digest}


def test_a_bake_takes_its_time_and_an_alarm_in_it_sends_every_target_back(world, champion, challenger):
    plan = world.releases.plan(challenger, BAKING)
    verbs = [(step.target, step.percent) for step in plan.steps if step.verb is Verb.BAKE]
    assert verbs == [("lambda", 10.0), ("lambda", 100.0)]
    world.releases.begin(challenger, plan, run_id="run", actor="alice")
    began = world.clock.now()
    while world.releases.open(MODEL, challenger.version).advance().step != "bake lambda at 100 %":
        world.clock.sleep(POLL_SECONDS)
    assert (world.clock.now() - began).total_seconds() >= 300
    world.cloudwatch.alarms["errors"] = "12:00"
    assert "bake lambda at 100 %: the alarm errors rings" in world.drive(challenger).message
    assert_back(world, champion, challenger)


def test_a_release_that_bakes_in_peace_is_carried_out(world, challenger):
    world.releases.begin(challenger, world.releases.plan(challenger, BAKING), run_id="run", actor="alice")
    assert world.drive(challenger, looks=400).succeeded


ACTIONS = st.sampled_from(["look", "look", "look", "look", "kill", "fail", "doubt", "away", "abort", "wait", "ring"])


class Weather:
    """What befalls a release look by look: kills, wrong answers, outages, a person who stops it."""

    def __init__(self, world, version, seed):
        self.world, self.version, self.seed = world, version, seed
        self.now = "look"
        for target in world.targets.values():
            target.outcome_of = self.outcome

    def outcome(self, *_):
        if self.now == "away":
            raise UnavailableError("throttled")
        return {
            "fail": Outcome(Observed.FAILED, "says 3"),
            "doubt": Outcome(Observed.DOUBTFUL, "502"),
        }.get(self.now)

    def befall(self, index, action):
        self.now = action
        if action == "ring":
            self.world.cloudwatch.alarms["errors"] = str(index)
        if action == "kill":
            KillSwitch(self.world, 1 + (self.seed >> index) % 3, after=bool(self.seed >> index & 1))
        with suppress(Killed):
            release = self.world.releases.open(MODEL, self.version)
            if action == "abort" and index % 4 == 0:
                release.abort("stopped by a person")
            else:
                release.advance()
        self.world.dynamo.on_write = lambda write: write()
        for target in self.world.targets.values():
            target.on_effect = lambda act: act()
        self.world.clock.sleep(45 if action == "wait" else POLL_SECONDS)
        self.now = "look"


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTIONS, max_size=60), st.integers(0, 2**16))
def test_whatever_happens_the_targets_never_end_on_different_models(actions, seed):
    world = World()
    champion, challenger = world.registry.champion(MODEL), world.approved()
    world.begin(challenger)
    weather = Weather(world, challenger.version, seed)
    for index, action in enumerate(actions):
        weather.befall(index, action)
    progress = world.drive(challenger)
    state = world.releases.open(MODEL, challenger.version).rollout.state
    assert set(world.served().values()) == {challenger.digest if progress.succeeded else champion.digest}
    assert state is (State.CARRIED_OUT if progress.succeeded else State.ROLLED_BACK)
    assert [target.canary for target in world.targets.values()] == [None, None]
