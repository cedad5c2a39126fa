"""The laptop's AWS as a server: one winner per race, a clean start and end, and nobody else's requests."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.engines import load_engines
from localcloud.server import AlreadyRunning, LocalCloud

_LIMIT_SECONDS = 60


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(home=tmp_path_factory.mktemp("home"), engines=load_engines(["s3", "dynamodb"])) as made:
        yield made


def _client(cloud: LocalCloud, service: str) -> Any:
    config = Config(retries={"max_attempts": 0})
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name="us-east-1", endpoint_url=cloud.url, config=config, **keys)


def _make_table(dynamodb: Any, name: str) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_a_transaction_sent_again_with_its_token_is_done_once(cloud: LocalCloud) -> None:
    dynamodb = _client(cloud, "dynamodb")
    _make_table(dynamodb, "tokens")
    once = {"ConditionExpression": "attribute_not_exists(pk)", "TableName": "tokens"}

    def write(key: str) -> None:
        put = {**once, "Item": {"pk": {"S": key}}}
        dynamodb.transact_write_items(TransactItems=[{"Put": put}], ClientRequestToken="token")

    write("one")
    write("one")
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        write("two")


def test_a_large_object_comes_back_as_it_went(cloud: LocalCloud) -> None:
    s3 = _client(cloud, "s3")
    s3.create_bucket(Bucket="large")
    content = bytes(range(256)) * 4096 * 20
    s3.put_object(Bucket="large", Key="a/b c", Body=content)
    assert s3.get_object(Bucket="large", Key="a/b c")["Body"].read() == content
    assert s3.head_object(Bucket="large", Key="a/b c")["ContentLength"] == len(content)


def test_health_names_the_engines(cloud: LocalCloud) -> None:
    with urlopen(f"{cloud.url}/_localcloud/health") as answer:
        health = json.load(answer)
    assert health["status"] == "ok"
    assert health["services"] == ["dynamodb", "s3"]


def test_an_object_can_be_looked_at_but_runs_nothing(cloud: LocalCloud) -> None:
    s3 = _client(cloud, "s3")
    s3.create_bucket(Bucket="reports")
    s3.put_object(Bucket="reports", Key="m/1/report.html", Body=b"<script>alert(1)</script>")
    with urlopen(f"{cloud.url}/_localcloud/console/s3/object/reports?prefix=m/1/report.html") as answer:
        assert answer.read() == b"<script>alert(1)</script>"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_job_nobody_knows_has_no_page(cloud: LocalCloud) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{cloud.url}/_localcloud/console/api/jobs/nobody")
    assert refused.value.code == 404


def test_one_connection_carries_several_requests(cloud: LocalCloud) -> None:
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc)
    for _ in range(3):
        connection.request("GET", "/_localcloud/health")
        connection.getresponse().read()
        first = connection.sock
        assert first is not None
    connection.close()


@pytest.mark.parametrize("header", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}])
def test_a_page_of_another_origin_is_refused(cloud: LocalCloud, header: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc)
    connection.request("POST", "/", body="Action=ListQueues", headers=header)
    assert connection.getresponse().status == 403
    connection.close()


def test_a_second_one_in_the_same_process_is_refused_and_the_first_goes_on(cloud: LocalCloud, tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunning, match="share that one"):
        LocalCloud(home=tmp_path, engines=[]).start()
    _client(cloud, "s3").list_buckets()


def test_a_second_server_forgets_what_the_first_knew(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from localcloud.server import AlreadyRunning, LocalCloud; import boto3\n"
        "def s3(cloud): return boto3.client('s3', region_name='us-east-1', endpoint_url=cloud.url,"
        " aws_access_key_id='test', aws_secret_access_key='test')\n"
        "for _ in range(2):\n"
        f"    with LocalCloud(home=Path({str(tmp_path)!r}), engines=[]) as cloud:\n"
        "        assert s3(cloud).list_buckets()['Buckets'] == []\n"
        "        s3(cloud).create_bucket(Bucket='first')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=_LIMIT_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_and_frees_its_port(tmp_path: Path, number: signal.Signals) -> None:
    process, url = _start(tmp_path)
    os.killpg(process.pid, number)
    assert process.wait(_LIMIT_SECONDS) == 0
    port = urlsplit(url).port
    socket.create_server(("127.0.0.1", port or 0)).close()
    assert not (tmp_path / "ready.json").exists()


def test_a_port_in_use_is_told_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "localcloud", "--port", str(port), "--home", str(tmp_path)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT_SECONDS)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"Port {port} on 127.0.0.1 is in use: end what listens there, or choose another one with --port.\n"
    )


def test_an_unknown_key_in_the_configuration_is_named(tmp_path: Path) -> None:
    config = tmp_path / "localcloud.toml"
    config.write_text("prot = 4566\n")
    command = [sys.executable, "-m", "localcloud", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LIMIT_SECONDS)
    assert ended.returncode == 2
    assert "prot" in ended.stderr


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "localcloud", "--port", "0", "--home", str(folder), "--ready-file", str(ready)]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not ready.exists():
        assert process.poll() is None, "localcloud ended at its start"
        assert time.monotonic() < deadline, "localcloud did not start in time"
        time.sleep(0.02)
    url: str = json.loads(ready.read_text())["url"]
    return process, url
