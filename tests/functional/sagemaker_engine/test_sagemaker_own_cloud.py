"""Jobs on a localcloud that the test itself starts and stops: two in one process would spoil each other's state."""

from test_sagemaker_transform import Transform


def test_closing_ends_the_jobs_that_run(own_cloud, ends):
    with own_cloud() as cloud:
        cloud.start("orphan", "stubborn.py")
        script = cloud.wait_for_pids("orphan")[0]
    ends(script)
    assert not list((cloud.home / "sagemaker").glob("*/*"))


def test_a_model_server_that_never_gets_ready_fails_the_job(own_cloud, until):
    with own_cloud(ping_seconds=1) as cloud:
        transform = Transform(cloud, until)
        transform.put("sick", a=b"a")
        reason = transform.run("sick", mode="sick")["FailureReason"]
    assert reason.startswith("ClientError: Model container failed to respond to ping")
