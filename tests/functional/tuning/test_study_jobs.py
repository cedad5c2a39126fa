"""A study whose trials are SageMaker's training jobs: found again, followed, and its best trial registered."""

from __future__ import annotations

import json
import re

import pytest
from tuning_world import PREPARED

from localcloud.runtime import ROOT
from ratchet.aws.bucket import Bucket
from ratchet.compute.order import JobOrder, JobState
from ratchet.compute.tuner import IAM_ACTIONS, SageMakerTuner
from ratchet.errors import JobError
from ratchet.loop.step import register
from ratchet.loop.study import begin_study, choose_best, end_study
from ratchet.loop.study_store import read_study
from ratchet.loop.study_watch import StudyWatch
from ratchet.loop.ticket import Ticket
from ratchet.naming import order_key, study_key
from ratchet.tuning.study import TrialState
from tests.waiting import wait_until

STOP = "sagemaker:StopHyperParameterTuningJob"


def test_the_best_trial_of_a_grid_becomes_the_version_and_the_study_is_never_bought_twice(make):
    kinds = {"type": "categorical", "values": ["sick", "well"]}
    world = make(
        "grid", strategy="grid", ranges={"x": {"type": "integer", "min": 1, "max": 2}, "kind": kinds}, budget={}
    )
    state = world.state()
    study = begin_study(world.shop, "r1", state)
    assert begin_study(world.shop, "r1", state).name == study.name
    told = world.follow(study)
    assert any("trial 4 completed, score 1: x 2, kind well" in line for line in told), told
    assert "4 of 4 trials done, 2 failed, best score 1 (trial 4: x 2, kind well)" in told[-1]
    ended = end_study(world.shop, study.name)
    assert [(t.state, t.parameters["x"], t.parameters["kind"]) for t in ended.trials] == [
        (TrialState.FAILED, 1, "sick"),
        (TrialState.COMPLETED, 1, "well"),
        (TrialState.FAILED, 2, "sick"),
        (TrialState.COMPLETED, 2, "well"),
    ]
    assert "as it was told to" in ended.trials[0].message
    best = choose_best(world.shop, ended)
    assert ended.usd == pytest.approx(sum(trial.cost_usd for trial in ended.trials))
    model = register(
        world.shop,
        Ticket.from_json(state["ticket"]),
        run_id="r1",
        prepare_job=PREPARED,
        train_job=best.job,
        study=study.name,
    )
    origin = model.provenance
    assert (origin.study, origin.trial, origin.cost_usd) == (study.name, 4, pytest.approx(ended.usd))
    assert origin.hyperparameters == {"epochs": 2, "x": 2, "kind": "well"}
    again = JobOrder.from_json(json.loads(Bucket(world.shop.aws, "jobs").read(order_key(best.job))))
    assert again.hyperparameters == {"network": "lenet", "epochs": 2, "x": 2, "kind": "well"}
    assert begin_study(world.shop, "r2", world.state("r2")).name == study.name
    listed = world.door.client("sagemaker").list_hyper_parameter_tuning_jobs(NameContains="grid")
    assert len(listed["HyperParameterTuningJobSummaries"]) == 1


def test_a_study_without_a_figure_fails_and_says_why(make):
    world = make("silent", strategy="random", hyperparameters={"kind": "silent"}, budget={"jobs": 1}, parallel=1)
    study = world.begin()
    world.follow(study)
    with pytest.raises(JobError, match="gave score"):
        choose_best(world.shop, end_study(world.shop, study.name))


def test_a_stop_ends_every_trial(make, tmp_path):
    world = make("halt", strategy="random", hyperparameters={"gate": str(tmp_path / "never")})
    study = world.begin()
    watch = StudyWatch(world.shop, {"study": study.name})
    wait_until(lambda: watch.look() and watch.progress.study.count(TrialState.RUNNING) == 2, "two trials that run")
    watch.cancel()
    watch.cancel()
    wait_until(lambda: watch.look().done, "the end")
    assert world.shop.tuner.poll(study.name).state is JobState.STOPPED
    assert end_study(world.shop, study.name).count(TrialState.RUNNING) == 0


def test_the_page_is_there_while_the_study_runs_and_the_record_at_its_end(make):
    world = make("page", strategy="random", budget={"jobs": 2})
    study = world.run()
    bucket = Bucket(world.shop.aws, "jobs")
    page = bucket.read(study_key("page", study.name, "html")).decode()
    assert "Parallel coordinates" in page
    assert "http" not in page
    assert read_study(world.shop) == study
    assert isinstance(world.shop.tuner, SageMakerTuner)


def test_trials_that_are_processes_of_one_job_are_followed_and_registered_alike(make):
    world = make("inside", strategy="random", trials="processes", hyperparameters={"kind": "well", "epochs": 2})
    state = world.state()
    study = begin_study(world.shop, "r1", state)
    assert not study.by_jobs
    told = world.follow(study)
    assert any(line.startswith("[1] given") for line in told)
    assert "4 of 4 trials done, best score" in told[-1]
    ended = end_study(world.shop, study.name)
    best = choose_best(world.shop, ended)
    assert begin_study(world.shop, "r1", state).name == study.name
    origin = register(
        world.shop,
        Ticket.from_json(state["ticket"]),
        run_id="r1",
        prepare_job=PREPARED,
        train_job=study.name,
        study=study.name,
    ).provenance
    assert (origin.job_name, origin.study, origin.trial) == (study.name, study.name, best.number)
    assert origin.hyperparameters["x"] == best.parameters["x"]
    again = JobOrder.from_json(json.loads(Bucket(world.shop.aws, "jobs").read(order_key(study.name))))
    assert again.program == "training/train.py"
    status = world.shop.backend.poll(study.name)
    assert status.metrics["score"] == pytest.approx(best.objective, rel=1e-5)
    assert origin.cost_usd == ended.usd


def test_only_the_actions_that_are_named_and_granted_are_called(make):
    world = make("rights", strategy="random", budget={"jobs": 1}, parallel=1)
    study = world.run()
    world.shop.tuner.stop(study.name)
    granted = set(re.findall(r"\bsagemaker:\w+", (ROOT / "infra" / "ratchet.yaml").read_text("utf-8")))
    called = {action for action in world.door.actions if "HyperParameterTuning" in action}
    assert called == {action for action in IAM_ACTIONS if "HyperParameterTuning" in action} - {STOP}
    assert {action for action in IAM_ACTIONS if action.startswith("sagemaker")} <= granted


@pytest.mark.parametrize("trials", ["jobs", "processes"])
def test_a_second_study_begins_with_the_first_and_finds_as_much_in_half_the_trials(make, trials):
    warm = {"strategy": "bayesian", "warm_start": {"from_last": True}, "trials": trials, "parallel": 1}
    warm |= {"hyperparameters": {"epochs": 1}, "init_from": "champion"}
    world = make(f"warm-{trials}", budget={"jobs": 8}, **warm)
    first = world.run("r1")
    assert first.parents == ()
    world.configure(budget={"jobs": 4}, **warm)
    world.crown(first.best.job or first.name)
    second = world.run("r2")
    assert second.parents == (first.name,)
    assert second.best.objective >= first.best.objective
    assert world.begin("r3").name == second.name, "it is found again though it is the last one itself now"
    assert read_study(world.shop).parents == (first.name,)
    world.configure(budget={"jobs": 1}, **{**warm, "hyperparameters": {"epochs": 1, "kind": "well"}})
    assert world.begin("r4").parents == (), "another set of hyperparameters is another search"
