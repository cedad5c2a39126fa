"""Batch's jobs really run: in order, in arrays, again after a failure, and no longer than they may."""

import pytest
from batch_cloud import BatchCloud, wait_until
from botocore.exceptions import ClientError

SHOW = "import os; print(sorted(f'{k}={v}' for k, v in os.environ.items()))"
SLEEP = "import time; print('up'); time.sleep(600)"


def test_a_job_walks_through_batchs_states_and_logs(cloud: BatchCloud):
    definition = cloud.define(SHOW, needs={"GPU": "1"})
    overrides = {"environment": [{"name": "NAME", "value": "world"}]}
    job_id = cloud.submit(definition, containerOverrides=overrides, tags={"run": "1"})
    seen: list[str] = []

    def is_over() -> bool:
        seen.append(cloud.job(job_id)["status"])
        return seen[-1] == "SUCCEEDED"

    wait_until(is_over, "the job succeeds")
    assert list(dict.fromkeys(seen)) == ["SUBMITTED", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    job, line = cloud.job(job_id), cloud.lines(job_id)[0]
    assert (job["container"]["exitCode"], job["statusReason"]) == (0, "Essential container in task exited")
    assert job["container"]["logStreamName"].startswith("work/default/")
    assert job["tags"] == {"run": "1"}
    for expected in (f"AWS_BATCH_JOB_ID={job_id}'", "AWS_BATCH_JOB_ATTEMPT=1'", "NAME=world", "VISIBLE_DEVICES=GPU-"):
        assert expected in line
    assert "canary-of-the-parent" not in line
    assert "AWS_ACCESS_KEY_ID" not in line


def test_a_job_waits_for_those_it_depends_on(cloud: BatchCloud):
    first = cloud.submit(cloud.define("import time; time.sleep(0.5)"))
    second = cloud.submit(cloud.define("print('after')"), dependsOn=[{"jobId": first}])
    cloud.wait(second, "PENDING")
    assert cloud.wait(second)["startedAt"] >= cloud.job(first)["stoppedAt"]
    failing = cloud.submit(cloud.define("raise SystemExit(3)"))
    third = cloud.submit(cloud.define("print('never')"), dependsOn=[{"jobId": failing}])
    assert cloud.wait(third)["statusReason"] == "Dependent Job failed"
    with pytest.raises(ClientError, match="does not exist"):
        cloud.submit(cloud.define("1"), dependsOn=[{"jobId": "nobody"}])


def test_an_array_job_is_as_good_as_its_children(cloud: BatchCloud):
    code = "import os, sys; i = int(os.environ['AWS_BATCH_JOB_ARRAY_INDEX']); print('child', i); sys.exit(i == 2)"
    array = cloud.submit(cloud.define(code), arrayProperties={"size": 3})
    ended = cloud.wait(array)
    assert (ended["status"], ended["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert ended["arrayProperties"]["size"] == 3
    assert ended["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2
    assert cloud.lines(f"{array}:1") == ["child 1"]
    failed = cloud.batch.list_jobs(arrayJobId=array, jobStatus="FAILED")["jobSummaryList"]
    assert [each["jobId"] for each in failed] == [f"{array}:2"]
    assert cloud.job(f"{array}:2")["arrayProperties"]["index"] == 2


def test_arrays_can_be_sequential_and_follow_each_other_child_by_child(cloud: BatchCloud):
    quick = cloud.define("print('ok')")
    first = cloud.submit(quick, arrayProperties={"size": 2}, dependsOn=[{"type": "SEQUENTIAL"}])
    second = cloud.submit(quick, arrayProperties={"size": 2}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    assert cloud.wait(second)["status"] == "SUCCEEDED"
    assert cloud.job(f"{first}:1")["startedAt"] >= cloud.job(f"{first}:0")["stoppedAt"]
    assert cloud.job(f"{second}:1")["startedAt"] >= cloud.job(f"{first}:1")["stoppedAt"]


def test_a_failed_attempt_is_tried_again_as_the_rules_say(cloud: BatchCloud):
    code = "import os, sys; sys.exit(0 if os.environ['AWS_BATCH_JOB_ATTEMPT'] == '3' else 7)"
    rules = [{"onExitCode": "7", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]
    job = cloud.wait(cloud.submit(cloud.define(code), retryStrategy={"attempts": 5, "evaluateOnExit": rules}))
    assert job["status"] == "SUCCEEDED"
    assert [each["container"]["exitCode"] for each in job["attempts"]] == [7, 7, 0]
    stop = [{"onExitCode": "7", "action": "EXIT"}]
    job = cloud.wait(cloud.submit(cloud.define(code), retryStrategy={"attempts": 5, "evaluateOnExit": stop}))
    assert (job["status"], len(job["attempts"])) == ("FAILED", 1)


def test_a_job_that_takes_too_long_is_ended_and_not_tried_again(cloud: BatchCloud):
    definition = cloud.define(SLEEP, timeout={"attemptDurationSeconds": 1}, retryStrategy={"attempts": 3})
    job = cloud.wait(cloud.submit(definition))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert (job["container"]["exitCode"], len(job["attempts"])) == (143, 1)


def test_a_terminated_job_gets_its_grace_and_then_the_kill(cloud: BatchCloud):
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(600)"
    job_id = cloud.submit(cloud.define(stubborn), retryStrategy={"attempts": 3})
    cloud.wait(job_id, "RUNNING")
    wait_until(lambda: "up" in cloud.lines(job_id), "it is up")
    cloud.batch.cancel_job(jobId=job_id, reason="too late for that")
    assert cloud.job(job_id)["status"] == "RUNNING"
    cloud.batch.terminate_job(jobId=job_id, reason="enough")
    job = cloud.wait(job_id)
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("FAILED", "enough", 137)
    assert job["isTerminated"]


def test_jobs_wait_for_capacity_and_can_be_cancelled_then(cloud: BatchCloud):
    big = cloud.submit(cloud.define(SLEEP, needs={"GPU": "2"}))
    cloud.wait(big, "RUNNING")
    waiting = cloud.submit(cloud.define(SLEEP, needs={"GPU": "1"}))
    after = cloud.submit(cloud.define("print('no gpu needed')"))
    assert cloud.wait(after)["status"] == "SUCCEEDED"
    assert cloud.job(waiting)["status"] == "RUNNABLE"
    cloud.batch.cancel_job(jobId=waiting, reason="changed my mind")
    job = cloud.wait(waiting)
    assert (job["status"], job["statusReason"], job["isCancelled"]) == ("FAILED", "changed my mind", True)
    cloud.batch.terminate_job(jobId=big, reason="done")
    assert cloud.wait(big)["container"]["exitCode"] == 143


def test_a_job_over_its_memory_and_one_without_an_image_say_why(cloud: BatchCloud):
    greedy = cloud.define("import time; x = bytearray(300 * 2**20); time.sleep(600)", needs={"MEMORY": "100"})
    job = cloud.wait(cloud.submit(greedy))
    assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    assert job["container"]["exitCode"] == 137
    job = cloud.wait(cloud.submit(cloud.define("1", container={"image": "nobody/knows:1"})))
    assert job["statusReason"] == "Task failed to start"
    assert "CannotPullContainerError" in job["container"]["reason"]


def test_parameters_stand_in_for_their_words(cloud: BatchCloud):
    command = ["python", "-c", "import sys; print(sys.argv[1:])", "Ref::source", "--to=Ref::target"]
    definition = cloud.define("", container={"command": command}, parameters={"source": "a", "target": "b"})
    job_id = cloud.submit(definition, parameters={"target": "c"})
    cloud.wait(job_id)
    assert cloud.lines(job_id) == ["['a', '--to=c']"]
