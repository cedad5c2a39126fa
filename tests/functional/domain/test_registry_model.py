"""Whatever is tried in whatever order, the registry agrees with a model of a few lines."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from domain_world import fresh_world
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ratchet.errors import RatchetError
from ratchet.registry import LEGAL_MOVES, Stage

SEEDS = [f"seed-{number}" for number in range(4)]
numbers = st.integers(1, len(SEEDS))


class RegistryMachine(RuleBasedStateMachine):
    """Registers, decides, moves and promotes at random, and keeps the few facts that must hold."""

    def __init__(self):
        super().__init__()
        self.exit = ExitStack()
        folder = self.exit.enter_context(tempfile.TemporaryDirectory())
        self.world = self.exit.enter_context(fresh_world(Path(folder)))
        self.stages: dict[int, Stage] = {}
        self.numbers: dict[str, int] = {}
        self.approved: set[int] = set()
        self.began: dict[int, int] = {}
        self.crowned: list[int] = []

    def teardown(self):
        self.exit.close()

    @rule(seed=st.sampled_from(SEEDS))
    def register(self, seed):
        version = self.world.register(seed)
        if seed not in self.numbers:
            self.numbers[seed] = len(self.numbers) + 1
            self.stages[self.numbers[seed]] = Stage.CANDIDATE
        assert version.version == self.numbers[seed]

    @precondition(lambda self: self.stages)
    @rule(number=numbers, to=st.sampled_from(Stage))
    def move(self, number, to):
        stage = self.stages.get(number, Stage.CANDIDATE)
        allowed = (
            number in self.stages
            and to in LEGAL_MOVES[stage]
            and Stage.CHAMPION not in (stage, to)
            and (to is not Stage.RELEASING or number in self.approved)
        )
        done = self.attempt(
            lambda: self.world.registry.move("digits", number, to, expected=stage, actor="x", reason="y")
        )
        assert done is allowed
        if done:
            self.stages[number] = to
            if to is Stage.RELEASING:
                self.began[number] = len(self.crowned)

    @precondition(lambda self: self.stages)
    @rule(number=numbers, approved=st.booleans(), who=st.sampled_from(["alice", "mallory"]))
    def decide(self, number, approved, who):
        allowed = self.stages.get(number) is Stage.PASSED and who == "alice"
        known = number in self.stages
        version = self.world.registry.get("digits", number) if known else None
        said = self.world.approvals.find("digits", number) if known else None
        repeated = said is not None and (said.who, said.approved) == (who, approved)
        done = known and self.attempt(lambda: self.world.decide(version, approved=approved, who=who))
        assert done is (allowed or repeated)
        if done and not repeated:
            self.stages[number] = Stage.APPROVED if approved else Stage.REJECTED
            if approved:
                self.approved.add(number)

    @precondition(lambda self: self.stages)
    @rule(number=numbers)
    def promote(self, number):
        stage = self.stages.get(number)
        champion = self.crowned[-1] if self.crowned else None
        allowed = stage is Stage.RELEASING and self.began[number] == len(self.crowned)
        done = self.attempt(lambda: self.world.registry.promote("digits", number, actor="x", reason="y"))
        assert done is (allowed or (stage is Stage.CHAMPION and champion == number))
        if done and allowed:
            if champion is not None:
                self.stages[champion] = Stage.RETIRED
            self.stages[number] = Stage.CHAMPION
            self.crowned.append(number)

    @rule(number=numbers)
    def rise(self, number):
        """Help the machine up: a random walk seldom reaches the top."""
        if self.stages.get(number) is Stage.CANDIDATE:
            self.move(number, Stage.PASSED)
        if number in self.stages:
            self.decide(number, True, "alice")
        if self.stages.get(number) is Stage.APPROVED and number in self.approved:
            self.move(number, Stage.RELEASING)

    @invariant()
    def agrees_with_the_model(self):
        found = {version.version: version.stage for version in self.world.registry.list("digits")}
        assert found == self.stages
        champion = self.world.registry.champion("digits")
        assert (champion.version if champion else None) == (self.crowned[-1] if self.crowned else None)
        assert self.world.registry.verify_history("digits").intact

    @staticmethod
    def attempt(action) -> bool:
        try:
            action()
        except RatchetError:
            return False
        return True


TestRegistryModel = RegistryMachine.TestCase
TestRegistryModel.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
