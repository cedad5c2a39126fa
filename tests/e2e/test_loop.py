"""The story of one pipeline on localcloud and Airflow; each test goes on where the one before ended."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import psutil
import pytest
from typer.testing import CliRunner

from ratchet.aws.client import connect
from ratchet.cli.doctor import CHECKS
from ratchet.cli.gate import waiting_digest
from ratchet.cli.main import app
from ratchet.cli.predict import TARGETS, ask_all
from ratchet.cli.status import describe_pipeline
from ratchet.compute.order import JobState
from ratchet.contract import METRIC_PREFIX
from ratchet.errors import NotPermittedError, UnavailableError
from ratchet.laptop.fault import LOSE_EVERY_ANSWER_ONCE
from ratchet.registry import Stage
from ratchet.rollout.question import about_image
from tests.e2e.browser import chromium_is_there, open_airflow, wait_for_text
from tests.e2e.conftest import DAG, PIPELINE, Loop

# What the better model's way into service changes, each of them at the least once.
EXPECTED_LOSSES = {
    "dynamodb:PutItem",
    "dynamodb:TransactWriteItems",
    "ecs:RegisterTaskDefinition",
    "ecs:UpdateService",
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
    "lambda:UpdateFunctionConfiguration",
    "s3:PutObject",
    "sagemaker:CreateTrainingJob",
}
pytestmark = [pytest.mark.e2e, pytest.mark.mxnet, pytest.mark.timeout(600)]


def champion(loop: Loop) -> Any:
    return loop.workshop.registry.champion(PIPELINE)


def live_versions(loop: Loop) -> set[str]:
    """Which version each endpoint says it is, asked with a real scan."""
    question = about_image(next(loop.scans.glob("*/digit-0007.png")).read_bytes())
    return {str(answer["model"]["version"]) for answer in ask_all(loop.session, question, TARGETS).values()}


def told(loop: Loop, run: str, what: str) -> list[str]:
    """Lines of the training task's log that hold something."""
    lines = loop.airflow().task_log(DAG, run, "train", max(1, loop.task(run, "train")["try_number"]))
    return [line for line in lines if what in line]


def stages(loop: Loop) -> dict[int, Stage]:
    return {version.version: version.stage for version in loop.workshop.registry.list(PIPELINE)}


def count_revisions(loop: Loop) -> dict[str, int]:
    """How many versions the function and the service's task definition have."""
    door, deployment = connect(loop.session.settings.region), loop.workshop.deployment
    versions = door.client("lambda").list_versions_by_function(FunctionName=deployment.function_name)["Versions"]
    family = deployment.service_task_family
    definitions = door.client("ecs").list_task_definitions(familyPrefix=family)["taskDefinitionArns"]
    return {"function": len(versions), "task definition": len(definitions)}


def test_a_first_dataset_becomes_the_champion_on_both_targets(loop):
    loop.push(300)
    run = loop.working_run()
    gate = loop.gate(run)
    candidate = loop.workshop.registry.get(PIPELINE, 1)
    assert candidate.digest in gate["body"]
    assert champion(loop) is None
    loop.answer(gate, approve=True)
    assert loop.end(run) == "success", loop.explain(run)
    assert champion(loop).version == 1
    assert live_versions(loop) == {"1"}
    history = [event.kind for event in loop.workshop.registry.history(PIPELINE)]
    assert len(history) >= 5


def test_a_task_shows_the_remote_log_and_leads_to_job_report_and_model(loop):
    airflow = loop.airflow()
    run = next(
        entry["dag_run_id"]
        for entry in airflow.runs(DAG, 50)
        if loop.task(entry["dag_run_id"], "promote")["state"] == "success"
    )
    assert [
        line
        for line in airflow.task_log(DAG, run, "train", loop.task(run, "train")["try_number"])
        if METRIC_PREFIX in line
    ]
    pages = {
        ("train", "Job"): "#/jobs/digits-train-",
        ("evaluate", "Report"): "report.html",
        ("register", "Model"): "model.tar.gz",
    }
    for (task, name), part in pages.items():
        link = airflow._call("GET", f"/dags/{DAG}/dagRuns/{quote(run, safe='')}/taskInstances/{task}/links")[
            "extra_links"
        ][name]
        assert part in link
        with urlopen(link, timeout=10) as page:
            assert page.status == 200


def test_the_same_event_three_times_makes_one_run_that_trains(loop):
    deployment = loop.workshop.deployment
    before = loop.jobs("train")
    client = connect(loop.session.settings.region).client("sqs")
    body = f"""{{"Records": [{{"eventName": "ObjectCreated:Put", "s3": {{
        "bucket": {{"name": "{deployment.data_bucket}"}},
        "object": {{"key": "datasets/digits/_SUCCESS"}}}}}}]}}"""
    known = {run["dag_run_id"] for run in loop.airflow().runs(DAG, 50)}
    for _ in range(3):
        client.send_message(QueueUrl=deployment.arrivals_queue_url, MessageBody=body)

    def ended() -> list[dict[str, Any]]:
        fresh = [run for run in loop.airflow().runs(DAG, 50) if run["dag_run_id"] not in known]
        return fresh if fresh and all(run["state"] in ("success", "failed") for run in fresh) else []

    fresh = loop.wait_for("the end of the runs that the events started", ended)
    for run in fresh:
        assert loop.task(run["dag_run_id"], "freeze")["state"] == "skipped"
        assert "already" in loop.airflow().left(DAG, run["dag_run_id"], "freeze", "reason")
    assert loop.jobs("train") == before
    assert list(stages(loop)) == [1]


def test_more_data_makes_a_second_candidate_wait(loop):
    # From here to the better model's release, the first answer to every call that changes something is lost.
    loop.revisions = count_revisions(loop)
    loop.faults.add(LOSE_EVERY_ANSWER_ONCE)
    loop.push(1797)
    gate = loop.gate(loop.working_run())
    assert "version 2" in gate["subject"] or "2" in gate["subject"]
    with pytest.raises(UnavailableError):
        live_versions(loop)  # a prediction's first answer is lost as well, and a person asks again
    assert live_versions(loop) == {"1"}


@pytest.mark.browser
@pytest.mark.skipif(not chromium_is_there(), reason="needs Chromium and chromedriver")
def test_the_approver_sees_figures_data_digest_and_plan_in_the_browser(loop):
    gate = loop.airflow().waiting(DAG)[0]
    digest = waiting_digest(gate)
    task = gate["task_instance"]
    url = loop.session.settings.airflow_url
    with open_airflow(url, "alice", loop.laptop.home.password("alice")) as driver:
        run = quote(task["dag_run_id"], safe="")
        driver.get(f"{url}/dags/{DAG}/runs/{run}/tasks/approve/required_actions")
        text = wait_for_text(driver, digest, "Approve", "Reject")
        if target := os.environ.get("RATCHET_SCREENSHOT"):
            driver.save_screenshot(target)
    assert "accuracy" in text
    assert "1797" in text or "1,797" in text or "1497" in text or "1,497" in text
    assert "shift" in text


def test_only_the_named_person_can_release_the_better_model(loop):
    gate = loop.airflow().waiting(DAG)[0]
    run = gate["task_instance"]["dag_run_id"]
    with pytest.raises(NotPermittedError):
        loop.answer(gate, approve=True, person="bob")
    with pytest.raises(NotPermittedError):
        loop.answer(gate, approve=True, person="vera")
    assert live_versions(loop) == {"1"}
    loop.answer(gate, approve=True)
    assert loop.end(run) == "success", loop.explain(run)
    evaluation = champion(loop).evaluation
    assert champion(loop).version == 2
    assert evaluation["champion_version"] == 1
    assert evaluation["challenger"]["accuracy"] > evaluation["champion"]["accuracy"]
    assert stages(loop) == {1: Stage.RETIRED, 2: Stage.CHAMPION}
    assert live_versions(loop) == {"2"}
    about = describe_pipeline(loop.session, PIPELINE)
    assert about["champion"]["approver"] == "alice"
    assert {state["digest"] for state in about["targets"].values()} == {champion(loop).digest}


def test_no_lost_answer_has_made_a_false_conflict_or_done_anything_twice(loop):
    (fault,) = loop.faults.list()
    loop.faults.clear()
    assert set(fault["hit"]) >= EXPECTED_LOSSES, fault["hit"]
    assert set(fault["hit"].values()) == {1}
    for step in ("prepare", "train", "evaluate"):
        assert len(loop.jobs(step)) == 2, step
    assert stages(loop) == {1: Stage.RETIRED, 2: Stage.CHAMPION}
    assert loop.workshop.registry.verify_history(PIPELINE).intact
    assert count_revisions(loop) == {name: count + 1 for name, count in loop.revisions.items()}


def test_the_champion_is_made_again_bit_for_bit(loop):
    done = CliRunner().invoke(app, ["reproduce", PIPELINE, "2", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["identical"]
    assert told["reproduced"]
    assert sorted(stages(loop)) == [1, 2]


def test_a_worker_killed_during_training_trains_once_and_registers_once(loop):
    run = loop.start(force=True, reason="the worker is killed")
    before = loop.jobs("train")

    def training() -> list[str]:
        return [job for job in loop.jobs("train") if job not in before]

    created = loop.wait_for("the training job", training)
    scheduler = loop.laptop.table.find("airflow-scheduler")
    assert scheduler is not None
    # The scheduler's own process and every worker that it forked, at once and without a word.
    family = [*psutil.Process(scheduler.pid).children(recursive=True), psutil.Process(scheduler.pid)]
    for process in family:
        os.kill(process.pid, signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=10)[1] == []
    loop.laptop.start_airflow()
    loop.gate(run)
    assert training() == created
    assert len(created) == 1
    assert sorted(stages(loop)) == [1, 2, 3]


def test_a_gate_marked_green_by_hand_releases_nothing(loop):
    run = next(iter(loop.airflow().waiting(DAG)))["task_instance"]["dag_run_id"]
    path = f"/dags/{DAG}/dagRuns/{run}/taskInstances/approve"
    loop.airflow()._call("PATCH", path, {"new_state": "success"})
    assert loop.end(run) == "failed"
    assert loop.task(run, "release")["state"] == "failed"
    assert "approv" in loop.explain(run)
    assert stages(loop)[3] is Stage.PASSED
    assert champion(loop).version == 2
    assert live_versions(loop) == {"2"}


def test_a_rejected_candidate_is_never_released(loop):
    run = loop.start(force=True, reason="to be rejected")
    loop.answer(loop.gate(run), approve=False)
    assert loop.end(run) == "success"
    assert loop.task(run, "release")["state"] == "skipped"
    assert stages(loop)[4] is Stage.REJECTED
    assert live_versions(loop) == {"2"}


def test_a_model_that_fails_in_the_service_sends_both_targets_back(loop):
    run = loop.start(force=True, reason="its archive is damaged after the approval")
    gate = loop.gate(run)
    damage_archive(loop, version=5)
    loop.answer(gate, approve=True)
    assert loop.end(run) == "failed"
    assert "rolled back" in loop.explain(run)
    assert stages(loop)[5] is Stage.ROLLED_BACK
    assert champion(loop).version == 2
    assert live_versions(loop) == {"2"}
    targets = describe_pipeline(loop.session, PIPELINE)["targets"]
    assert {state["digest"] for state in targets.values()} == {champion(loop).digest}


def test_a_candidate_trained_on_shuffled_labels_is_blocked(loop):
    loop.push(1797, shuffled=True)
    run = loop.working_run()
    assert loop.end(run) == "success"
    assert loop.task(run, "decide")["state"] == "skipped"
    assert loop.task(run, "approve")["state"] == "skipped"
    assert stages(loop)[6] is Stage.BLOCKED
    assert "accuracy" in loop.workshop.registry.get(PIPELINE, 6).reason
    assert live_versions(loop) == {"2"}


def test_a_task_marked_failed_stops_the_remote_job(loop):
    loop.idle()
    file = loop.session.settings.pipelines_folder / "digits.yaml"
    good = file.read_text("utf-8")
    file.write_text(good.replace("epochs: 6", "epochs: 5000").replace("patience: 4", "patience: 5000"))
    try:
        before = loop.jobs("train")
        run = loop.start(force=True, reason="to be stopped")
        job = loop.wait_for("the training job", lambda: [name for name in loop.jobs("train") if name not in before])[0]
        loop.wait_for("the training task to wait", lambda: loop.task(run, "train")["state"] == "deferred")
        for what in (METRIC_PREFIX, "train_loss", "so far"):
            loop.wait_for(f"{what} in the log of the waiting task", lambda what=what: told(loop, run, what), 30.0)
        path = f"/dags/{DAG}/dagRuns/{run}/taskInstances/train"
        loop.airflow()._call("PATCH", path, {"new_state": "failed"})
        backend = loop.workshop.backend
        loop.wait_for("the remote job's end", lambda: backend.poll(job).state.ended, 60.0)
    finally:
        file.write_text(good)
    assert backend.poll(job).state is JobState.STOPPED
    assert loop.end(run) == "failed"
    assert told(loop, run, METRIC_PREFIX)
    assert live_versions(loop) == {str(champion(loop).version)}


def test_a_training_that_fails_says_why_and_the_champion_serves_on(loop):
    loop.idle()
    file = loop.session.settings.pipelines_folder / "digits.yaml"
    good = file.read_text("utf-8")
    file.write_text(good.replace("network: lenet", "network: lemon"))
    try:
        run = loop.start(force=True, reason="a network that there is not")
        assert loop.end(run) == "failed"
    finally:
        file.write_text(good)
    reason = loop.explain(run)
    assert "lemon" in reason
    assert "lenet" in reason
    assert "developer acts" in reason
    assert loop.task(run, "settle")["state"] == "success"
    assert live_versions(loop) == {"2"}


def test_a_class_with_too_few_images_stops_before_anything_is_spent(loop):
    deployment = loop.workshop.deployment
    before = loop.jobs("prepare")
    client = connect(loop.session.settings.region).client("s3")
    found = client.list_objects_v2(Bucket=deployment.data_bucket, Prefix="datasets/digits/9/")["Contents"]
    doomed = [{"Key": entry["Key"]} for entry in found[5:]]
    client.delete_objects(Bucket=deployment.data_bucket, Delete={"Objects": doomed})
    run = loop.start()
    assert loop.end(run) == "failed"
    reason = loop.explain(run)
    assert "nothing was spent" in reason
    assert "9" in reason
    assert loop.jobs("prepare") == before


def test_the_history_is_whole_and_the_doctor_finds_nothing(loop):
    assert loop.workshop.registry.verify_history(PIPELINE).intact
    findings = [check(loop.session) for check in CHECKS.values()]
    assert [finding for finding in findings if not finding.good] == []


def test_down_leaves_no_process_and_no_port(loop):
    processes = [psutil.Process(entry.pid) for entry in loop.laptop.table.read() if entry.alive()]
    family = [member for process in processes for member in [process, *process.children(recursive=True)]]
    assert len(family) > 5
    loop.laptop.down()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    listening = {connection.laddr.port for connection in psutil.net_connections("tcp") if connection.status == "LISTEN"}
    assert listening.isdisjoint(set(vars(loop.laptop.ports).values()))


def damage_archive(loop: Loop, version: int) -> None:
    """Flip one byte of the stored archive, as a bad disk or a bad person would."""
    model = loop.workshop.registry.get(PIPELINE, version)
    bucket, _, key = model.uri.removeprefix("s3://").partition("/")
    client = connect(loop.session.settings.region).client("s3")
    content = bytearray(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    content[len(content) // 2] ^= 1
    client.put_object(Bucket=bucket, Key=key, Body=bytes(content))


def test_no_secret_is_in_the_logs(loop):
    home = loop.laptop.home
    secrets = list(home.make_secrets(()).values()) + [home.password(person) for person in ("admin", "alice")]
    secrets.append(home.aws_key()["SECRET_ACCESS_KEY"])
    for file in Path(home.folder).rglob("*.log"):
        text = file.read_text("utf-8", errors="replace")
        assert not [secret for secret in secrets if secret in text], file
