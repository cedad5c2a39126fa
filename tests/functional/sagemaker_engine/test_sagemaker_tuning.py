"""Tuning jobs: their training jobs really run, the best is found, and nothing outlives a stop."""

import json
import os
import re
from pathlib import Path
from urllib.request import urlopen

import pytest

PYTHON_IMAGE = "public.ecr.aws/docker/library/python:3.11"
TRIALS = int(os.environ.get("RATCHET_TEST_TRIALS", "6"))
CONTAINER = Path(__file__).with_name("container")
OBJECTIVE = {"Type": "Maximize", "MetricName": "score"}
X = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "10", "ScalingType": "Linear"}]}
FINAL = "FinalHyperParameterTuningJobObjectiveMetric"


def grid(**values):
    return {"CategoricalParameterRanges": [{"Name": name, "Values": found} for name, found in values.items()]}


def configuration(strategy, ranges, *, jobs=4, parallel=2, **changes):
    return {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": OBJECTIVE,
        "ResourceLimits": {"MaxParallelTrainingJobs": parallel, **({"MaxNumberOfTrainingJobs": jobs} if jobs else {})},
        "ParameterRanges": ranges,
        "RandomSeed": 7,
        **changes,
    }


@pytest.fixture
def start(cloud):
    def start(name, config, fixed=None, channels=None, **changes):
        request = cloud.request("template", "train.py")
        definition = {key: value for key, value in request.items() if key not in ("TrainingJobName", "HyperParameters")}
        definition["AlgorithmSpecification"] = {
            "TrainingImage": PYTHON_IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "score", "Regex": r"score=([-0-9.]+);"}],
        }
        definition["Environment"] = {"PATH": f"{CONTAINER}:{os.defpath}"}  # where the image has its `train`
        definition["StaticHyperParameters"] = fixed or {}
        definition |= {"InputDataConfig": channels} if channels else {}
        cloud.sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name,
            HyperParameterTuningJobConfig=config,
            TrainingJobDefinition=definition,
            **changes,
        )

    return start


@pytest.fixture
def describe(cloud):
    return lambda name: cloud.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)


@pytest.fixture
def children(cloud):
    def children(name, **query):
        found = cloud.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, MaxResults=100, **query
        )
        return found["TrainingJobSummaries"]

    return children


@pytest.fixture
def finish(describe, until):
    def finish(name):
        until(lambda: describe(name)["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"))
        return describe(name)

    return finish


def test_a_grid_runs_every_combination_once_and_finds_the_best(cloud, start, finish, children):
    start("grid", configuration("Grid", grid(x=["0", "2", "3"], pause=["0", "0.01"]), jobs=None), {"epochs": "1"})
    described = finish("grid")
    assert described["HyperParameterTuningJobStatus"] == "Completed", described.get("FailureReason")
    found = children("grid")
    tried = [(child["TunedHyperParameters"]["x"], child["TunedHyperParameters"]["pause"]) for child in found]
    assert tried == [(x, pause) for x in ("0", "2", "3") for pause in ("0", "0.01")]
    best = described["BestTrainingJob"]
    assert (best["TunedHyperParameters"]["x"], best[FINAL]["Value"], best["ObjectiveStatus"]) == ("2", 0.0, "Succeeded")
    assert described["TrainingJobStatusCounters"]["Completed"] == described["ObjectiveStatusCounters"]["Succeeded"] == 6
    assert all(re.fullmatch(r"grid-00[1-6]-[0-9a-f]{8}", child["TrainingJobName"]) for child in found)
    child = cloud.describe(best["TrainingJobName"])
    assert child["TuningJobArn"] == described["HyperParameterTuningJobArn"]
    assert child["HyperParameters"] == {
        **best["TunedHyperParameters"],
        "epochs": "1",
        "_tuning_objective_metric": "score",
    }
    by_objective = children("grid", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert by_objective[0][FINAL]["Value"] == 0.0
    assert by_objective[-1][FINAL]["Value"] == -4.0
    with urlopen(f"{cloud.url}/_localcloud/console/api/jobs/tuning/grid", timeout=60) as answer:
        shown = json.load(answer)["trials"]
    assert [trial["name"] for trial in shown] == [trial["TrainingJobName"] for trial in by_objective]
    assert [trial["name"] for trial in shown if trial["best"]] == [best["TrainingJobName"]]


@pytest.mark.parametrize("strategy", ["Random", "Bayesian", "Hyperband"])
def test_the_same_seed_tries_the_same_values_whichever_trial_is_faster(start, finish, children, strategy):
    for name in (f"{strategy}-a", f"{strategy}-b"):
        start(name, configuration(strategy, X, jobs=TRIALS, parallel=3), {"jitter": "0.3"})
    tried = []
    for name in (f"{strategy}-a", f"{strategy}-b"):
        assert finish(name)["HyperParameterTuningJobStatus"] == "Completed"
        tried.append([child["TunedHyperParameters"]["x"] for child in children(name)])
    assert tried[0] == tried[1]
    assert len(set(tried[0])) == TRIALS


def test_a_trial_that_fails_or_says_nothing_does_not_sink_the_job(start, finish, children):
    start("mixed", configuration("Grid", grid(kind=["sick", "silent", "well"], x=["1"]), jobs=None))
    described = finish("mixed")
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    counters = described["TrainingJobStatusCounters"]
    assert (counters["Completed"], counters["NonRetryableError"]) == (2, 1)
    assert described["ObjectiveStatusCounters"] == {"Succeeded": 1, "Pending": 0, "Failed": 2}
    assert described["BestTrainingJob"]["TunedHyperParameters"]["kind"] == "well"
    reasons = [child.get("FailureReason", "") for child in children("mixed")]
    assert [reason[:15] for reason in reasons] == ["AlgorithmError:", "", ""]


def test_a_job_whose_first_trials_all_fail_fails(start, finish, children):
    start("doomed", configuration("Random", X, jobs=9, parallel=1), {"kind": "sick"})
    described = finish("doomed")
    assert described["HyperParameterTuningJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert len(children("doomed")) == 5


def test_no_more_trials_run_at_once_than_may(cloud, start, describe, finish, children, until):
    start("narrow", configuration("Random", X, jobs=5, parallel=2), {"pause": "0.3"})
    most = 0

    def look():
        nonlocal most
        most = max(most, describe("narrow")["TrainingJobStatusCounters"]["InProgress"])
        return describe("narrow")["HyperParameterTuningJobStatus"] == "Completed"

    until(look)
    assert most == 2
    assert len(children("narrow")) == 5


def test_a_stop_stops_the_training_jobs(cloud, start, describe, finish, children, until):
    start("halted", configuration("Random", X, jobs=50, parallel=2), {"pause": "60"})
    until(lambda: len(children("halted", StatusEquals="InProgress")) == 2)
    name = {"HyperParameterTuningJobName": "halted"}
    cloud.sagemaker.stop_hyper_parameter_tuning_job(**name)
    assert describe("halted")["HyperParameterTuningJobStatus"] in ("Stopping", "Stopped")
    described = finish("halted")
    assert described["HyperParameterTuningJobStatus"] == "Stopped"
    assert {child["TrainingJobStatus"] for child in children("halted")} == {"Stopped"}
    assert described["TrainingJobStatusCounters"]["Stopped"] == 2
    assert cloud.refusal("stop_hyper_parameter_tuning_job", **name)[0] == "ValidationException"
    cloud.sagemaker.delete_hyper_parameter_tuning_job(**name)
    assert cloud.refusal("describe_hyper_parameter_tuning_job", **name)[0] == "ResourceNotFound"


def test_early_stopping_ends_a_trial_that_falls_behind(start, finish, children):
    config = configuration("Grid", grid(x=["2", "2.1", "1.9", "9"]), jobs=None, parallel=1)
    start("early", {**config, "TrainingJobEarlyStoppingType": "Auto"}, {"epochs": "3", "waiting": "9"})
    described = finish("early")
    statuses = {child["TunedHyperParameters"]["x"]: child["TrainingJobStatus"] for child in children("early")}
    assert statuses == {"2": "Completed", "2.1": "Completed", "1.9": "Completed", "9": "Stopped"}
    assert described["ObjectiveStatusCounters"]["Succeeded"] == 4
    assert described["BestTrainingJob"]["TunedHyperParameters"]["x"] == "2"


def test_hyperband_stops_trials_that_fall_behind(start, finish, children):
    limits = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
    config = configuration("Hyperband", X, jobs=6, parallel=3, StrategyConfig=limits)
    start("brackets", config, {"epochs": "9", "pause": "0.4"})
    described = finish("brackets")
    assert described["HyperParameterTuningJobStatus"] == "Completed"
    counters = described["TrainingJobStatusCounters"]
    assert counters["Stopped"] >= 1
    assert counters["Stopped"] + counters["Completed"] == 6


def test_a_job_ends_when_its_target_is_met(start, finish, children):
    config = configuration("Grid", grid(x=["5", "2", "1", "0"]), jobs=None, parallel=1)
    start("target", {**config, "TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": -0.5}})
    assert finish("target")["HyperParameterTuningJobStatus"] == "Completed"
    assert [child["TunedHyperParameters"]["x"] for child in children("target")][:2] == ["5", "2"]
    assert len(children("target")) == 2


def test_a_warm_start_knows_what_its_parent_found(cloud, start, finish, describe):
    start("parent", configuration("Grid", grid(x=["2", "9"]), jobs=None))
    finish("parent")
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    start("child", configuration("Bayesian", X, jobs=3, parallel=1), WarmStartConfig=warm)
    described = finish("child")
    assert described["WarmStartConfig"] == warm
    overall = described["OverallBestTrainingJob"]
    assert (overall["TuningJobName"], overall["TunedHyperParameters"]) == ("parent", {"x": "2"})
    assert describe("parent")["BestTrainingJob"]["TrainingJobName"] == overall["TrainingJobName"]


def test_refuses_a_name_that_is_taken_and_one_that_is_too_long(cloud, start):
    start("taken", configuration("Random", X, jobs=1))
    with pytest.raises(cloud.sagemaker.exceptions.ResourceInUse, match="already exists"):
        start("taken", configuration("Random", X, jobs=1))
    with pytest.raises(cloud.sagemaker.exceptions.ClientError, match="less than or equal to 32"):
        start("t" * 33, configuration("Random", X, jobs=1))


def test_lists_tags_and_shows_jobs_in_order(cloud, start, finish):
    for name in ("shown-b", "shown-a"):
        start(name, configuration("Random", X, jobs=1), Tags=[{"Key": "run", "Value": "1"}])
    arn = finish("shown-a")["HyperParameterTuningJobArn"]
    finish("shown-b")
    listed = cloud.sagemaker.list_hyper_parameter_tuning_jobs(NameContains="shown")["HyperParameterTuningJobSummaries"]
    assert [found["HyperParameterTuningJobName"] for found in listed] == ["shown-a", "shown-b"]
    assert [found["Strategy"] for found in listed] == ["Random", "Random"]
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "run", "Value": "1"}]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "3", "MaxValue": "1"}]}},
            "x must",
        ),
        ({"ParameterRanges": {}}, "nothing to tune"),
        ({"HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"}}, "none of the MetricDefin"),
        ({"Strategy": "Grid"}, "categorical parameter ranges alone"),
        ({"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"}, "must be Off"),
        ({"TuningJobCompletionCriteria": {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}}, "AWS alone"),
    ],
)
def test_refuses_what_sagemaker_refuses_or_localcloud_does_not_do(cloud, start, changes, said):
    config = {**configuration("Random", X), **changes}
    with pytest.raises(cloud.sagemaker.exceptions.ClientError) as caught:
        start("refused", config)
    assert said in caught.value.response["Error"]["Message"], json.dumps(caught.value.response, default=str)


def test_a_transfer_counts_its_own_training_jobs_alone(cloud, start, finish):
    start("giver", configuration("Grid", grid(x=["2"]), jobs=None))
    finish("giver")
    warm = {"ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "giver"}]}
    start(
        "taker",
        configuration("Bayesian", X, jobs=1, parallel=1),
        WarmStartConfig={**warm, "WarmStartType": "TransferLearning"},
    )
    assert "OverallBestTrainingJob" not in finish("taker")
    cloud.put_data("other/a")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/other/"}}
    with pytest.raises(cloud.sagemaker.exceptions.ClientError, match="needs the input data of the parent"):
        start(
            "stranger",
            configuration("Random", X),
            channels=[{"ChannelName": "train", "DataSource": source}],
            WarmStartConfig={**warm, "WarmStartType": "IdenticalDataAndAlgorithm"},
        )
    missing = {"ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "nobody"}]}
    with pytest.raises(cloud.sagemaker.exceptions.ResourceNotFound):
        start("orphan", configuration("Random", X), WarmStartConfig={**missing, "WarmStartType": "TransferLearning"})
