"""tune.py: the same trials for the same seed, whatever kills it on the way; the best one's model is the job's."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest
from tune_job import ORDER, TuneJob, X

from ratchet.contract import METRIC_PREFIX, metric_regex, read_trial_line, verify_manifest
from tests.waiting import wait_until

KINDS = {"name": "kind", "type": "categorical", "values": ["sick", "well", "silent"]}


@pytest.fixture
def job(tmp_path):
    return TuneJob(tmp_path / "job")


def test_the_best_trial_s_model_and_metrics_are_the_job_s_and_failures_sink_nothing(job):
    grid = [{"name": "x", "type": "categorical", "values": [1, 2]}, KINDS]
    job.must({"strategy": "grid", "jobs": 6, "ranges": grid}, epochs=2)
    states = [(t["parameters"]["x"], t["parameters"]["kind"], t["state"]) for t in job.table["trials"]]
    assert states == [
        (x, kind, "completed" if kind == "well" else "failed") for x in (1, 2) for kind in KINDS["values"]
    ]
    assert job.table["best"] == 5
    verify_manifest(job.folder / "model")
    assert json.loads((job.folder / "model/synset.txt").read_text().removesuffix("synset.txt"))["x"] == 2.0
    found = re.findall(metric_regex("score"), job.log)
    assert found == ["1"], "a job's metrics are the best trial's alone"
    told = [trial for line in job.log.splitlines() if (trial := read_trial_line(line))]
    assert len(told) == 12
    reasons = [trial["message"] for trial in job.table["trials"]]
    assert reasons[0] == "this trial fails, as it was told to"
    assert reasons[2] == "it printed no score"
    assert job.log.count(METRIC_PREFIX) == 1
    assert [path.name for path in (job.folder / "checkpoints/study/trials").iterdir()] == ["005"]


def test_killed_it_goes_on_and_tries_what_it_would_have_tried(tmp_path):
    order = {"strategy": "bayesian"}
    whole = TuneJob(tmp_path / "whole").must(order)
    job, gate = TuneJob(tmp_path / "killed"), tmp_path / "gate"
    process = job.start(order, gate=gate)
    wait_until(lambda: (job.folder / "checkpoints/study/study.json").exists() and job.tried, "the first trial")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    gate.touch()
    job.must(order, gate=gate)
    assert "went on with a study" in job.log
    assert job.tried == whole.tried
    assert job.table["best"] == whole.table["best"]


def test_what_has_ended_is_not_run_again_unless_its_model_was_lost_or_the_search_is_another(job):
    best = job.must({"jobs": 2}).table["best"]
    first = job.record
    job.must({"jobs": 2})
    assert job.record["trials"] == first["trials"]
    assert "] given" not in job.log
    (job.folder / f"checkpoints/study/trials/{best:03d}/model/MANIFEST.json").write_text("half")
    job.must({"jobs": 2})
    assert f"[{best}] given" in job.log
    assert job.log.count("] given") == 1
    verify_manifest(job.folder / "model")
    job.must({"jobs": 2, "seed": 8})
    assert "of another search" in job.log
    assert len(job.tried) == 2


def test_sigterm_keeps_the_study_and_says_where_it_goes_on(job, tmp_path):
    process = job.start({}, gate=tmp_path / "never")
    wait_until(lambda: (job.folder / "checkpoints/study/study.json").exists() and job.tried, "the first trial")
    process.terminate()
    assert job.finish(process) == 143
    assert "start the job again with the same checkpoints" in job.reason
    assert all(trial["state"] == "running" for trial in job.record["trials"])


def test_every_gpu_has_a_trial_of_its_own(job):
    job.gpus = 2
    job.must({"jobs": 2, "ranges": [{"name": "x", "type": "integer", "low": 1, "high": 4, "scaling": "linear"}]})
    assert "2 trials at once" in job.log
    assert {"[1] gpu 0 of 1", "[2] gpu 1 of 1"} <= set(job.log.splitlines())


def test_when_the_time_is_up_what_was_found_is_left(job):
    order = {"seconds": 1000.0, "jobs": None, "parallel": 1}
    process = job.start(order)
    file = job.folder / "checkpoints/study/study.json"
    wait_until(lambda: file.exists() and job.record["trials"][0]["state"] == "completed", "a trial's end")
    process.terminate()
    assert job.finish(process) == 143
    used = {**job.record, "seconds": 1000.5}
    file.write_text(json.dumps(used))
    job.must(order)
    assert len(job.tried) == len(used["trials"])
    assert job.table["best"]


def test_a_trial_that_falls_behind_is_ended_and_cannot_be_the_best(job):
    grid = [{"name": "x", "type": "categorical", "values": [2.0, 2.1, 2.2, 9.0]}]
    order = {"strategy": "grid", "jobs": 4, "ranges": grid, "parallel": 1, "early_stopping": True}
    job.must(order, **{"linger-below": -10, "epochs": 1})
    assert [trial["state"] for trial in job.table["trials"]] == ["completed", "completed", "completed", "stopped"]
    assert job.table["trials"][3]["objective"] == -48


def test_hopeless_studies_end_early_and_say_why(job):
    assert job.finish(job.start({"jobs": 9, "parallel": 1}, kind="sick")) == 1
    assert len(job.tried) == 5
    assert job.reason == "no trial of 5 gave a model: this trial fails, as it was told to"


def test_begins_with_what_the_study_before_found(job, tmp_path):
    before = tmp_path / "before"
    before.mkdir()
    trials = [{"state": "completed", "parameters": {"x": float(x)}, "objective": 1.0 - (x - 2) ** 2} for x in range(11)]
    trials += [{"state": "failed", "parameters": {"x": 1.0}, "objective": None}]
    trials += [{"state": "completed", "parameters": {"x": 99.0}, "objective": 5.0}]
    (before / "study.json").write_text(json.dumps({"trials": trials}))
    job.channels["study"] = before
    job.must({"strategy": "bayesian", "jobs": 2, "parallel": 1})
    assert "began with 11 of 12 trials" in job.log
    assert all(trial["x"] < 5 for trial in job.tried)


@pytest.mark.parametrize(("text", "reason"), [("{}", "lacks strategy"), ("{", "is no JSON")])
def test_an_order_that_cannot_be_read_is_a_sentence(job, text, reason):
    assert ORDER["ranges"] == [X]
    process = job.start({}, study=text)
    assert job.finish(process) == 1
    assert reason in job.reason
