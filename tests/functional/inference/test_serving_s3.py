"""Both shells bring their model from S3 at `AWS_ENDPOINT_URL`, with the interpreter that serves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pictures import picture
from serving_process import Server, environment_of

pytestmark = pytest.mark.mxnet
ACCESS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def endpoint(grey_archive: Path) -> Iterator[str]:
    cloud = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    cloud.start()
    host, port = cloud.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="models")
    client.put_object(Bucket="models", Key="digits/7/model.tar.gz", Body=grey_archive.read_bytes())
    yield url
    cloud.stop()


def test_the_server_serves_a_model_from_s3(
    start_server: Callable[[dict[str, str]], Server], grey_archive: Path, endpoint: str
) -> None:
    variables = {**environment_of(grey_archive), **ACCESS, "AWS_ENDPOINT_URL": endpoint}
    server = start_server({**variables, "RATCHET_MODEL_URI": "s3://models/digits/7/model.tar.gz"}).wait_ready()
    assert server.ask("POST", "/predict", picture(), Content_Type="image/png").status == 200


def test_a_model_that_is_not_there_ends_the_process(
    start_server: Callable[[dict[str, str]], Server], grey_archive: Path, endpoint: str
) -> None:
    variables = {**environment_of(grey_archive), **ACCESS, "AWS_ENDPOINT_URL": endpoint}
    server = start_server({**variables, "RATCHET_MODEL_URI": "s3://models/digits/8/model.tar.gz"})
    assert server.wait_exit() == 1
    reason = next(line["reason"] for line in server.lines if line["event"] == "model_refused")
    assert "s3://models/digits/8/model.tar.gz cannot be read" in reason
