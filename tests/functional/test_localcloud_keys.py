"""Who may call localcloud: its owner's key, its users', its roles' sessions, and nobody else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.access import find_access_key
from localcloud.server import LocalCloud
from ratchet.laptop.process import poll_until

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 60.0
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("LOCALCLOUD_ACCESS_KEY_ID")
        environment.delenv("LOCALCLOUD_SECRET_ACCESS_KEY")
        with LocalCloud(home=tmp_path_factory.mktemp("home"), engines=[]) as made:
            yield made


def client(cloud: LocalCloud, service: str, key_id: str = "", secret: str = "", token: str = "", **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.url,
        region_name="us-east-1",
        aws_access_key_id=key_id or cloud.access_key.id,
        aws_secret_access_key=secret or cloud.access_key.secret,
        aws_session_token=token or None,
        config=Config(retries={"max_attempts": 0}, **config),
    )


CALLS = {
    "s3": ("list_buckets", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    "sns": ("list_topics", "MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    "ec2": ("describe_vpcs", "MissingAuthenticationToken", "AuthFailure", "AuthFailure"),
    "dynamodb": (
        "list_tables",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
    ),
    "lambda": (
        "list_functions",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
    ),
}


def refusal(called: Any, operation: str) -> str:
    with pytest.raises(ClientError) as refused:
        getattr(called, operation)()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 401, 403}
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.parametrize("service", CALLS)
def test_every_protocol_refuses_strangers_in_aws_s_own_words(cloud, service):
    operation, unsigned, unknown, wrong = CALLS[service]
    getattr(client(cloud, service), operation)()
    assert refusal(client(cloud, service, signature_version=UNSIGNED), operation) == unsigned
    assert refusal(client(cloud, service, "AKIANOBODYKNOWSTHIS", "secret"), operation) == unknown
    assert refusal(client(cloud, service, secret="a guess"), operation) == wrong


def test_an_unsigned_call_starts_nothing(cloud):
    target = {"X-Amz-Target": "DynamoDB_20120810.CreateTable", "Content-Type": "application/x-amz-json-1.0"}
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(cloud.url, data=b'{"TableName": "t"}', headers=target, method="POST"), timeout=10)
    assert "MissingAuthenticationTokenException" in refused.value.read().decode()
    for path in ("/moto-api/reset", "/moto-api/data.json"):
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(cloud.url + path, data=b"", method="POST"), timeout=10)
        assert refused.value.code == 403
    assert client(cloud, "dynamodb").list_tables()["TableNames"] == []


def test_a_user_s_key_works_until_it_is_taken_back(cloud):
    iam = client(cloud, "iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    sts = client(cloud, "sts", key["AccessKeyId"], key["SecretAccessKey"])
    assert sts.get_caller_identity()["Arn"].endswith("user/ann")
    iam.update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refusal(sts, "get_caller_identity") == "InvalidClientTokenId"


def test_a_session_of_a_role_works_with_its_token_alone(cloud):
    client(cloud, "iam").create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)
    role = "arn:aws:iam::123456789012:role/worker"
    made = client(cloud, "sts").assume_role(RoleArn=role, RoleSessionName="job")["Credentials"]
    keys = made["AccessKeyId"], made["SecretAccessKey"]
    who = client(cloud, "sts", *keys, made["SessionToken"]).get_caller_identity()
    assert who["Arn"] == "arn:aws:sts::123456789012:assumed-role/worker/job"
    assert refusal(client(cloud, "sts", *keys, "another token"), "get_caller_identity") == "InvalidClientTokenId"
    assert refusal(client(cloud, "s3", *keys), "list_buckets") == "InvalidToken"


@pytest.mark.parametrize("algorithm", [None, "SHA256", "CRC32"])
def test_bodies_come_whole_and_in_chunks(cloud, algorithm, tmp_path):
    s3 = client(cloud, "s3")
    s3.create_bucket(Bucket="bodies")
    content = os.urandom(300_000)
    (tmp_path / "file").write_bytes(content)
    more = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    with (tmp_path / "file").open("rb") as stream:
        s3.put_object(Bucket="bodies", Key="a b/ü+~", Body=stream, Metadata={"under_score": "x  y"}, **more)
    assert s3.get_object(Bucket="bodies", Key="a b/ü+~")["Body"].read() == content


def test_a_presigned_link_works_as_it_was_made(cloud):
    s3 = client(cloud, "s3", signature_version="s3v4")
    s3.create_bucket(Bucket="links")
    s3.put_object(Bucket="links", Key="k", Body=b"content")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "links", "Key": "k"})
    with urlopen(link, timeout=10) as answer:
        assert answer.read() == b"content"
    with pytest.raises(HTTPError) as refused:
        urlopen(link.replace("/links/k", "/links/other"), timeout=10)
    assert refused.value.code == 403
    assert "SignatureDoesNotMatch" in refused.value.read().decode()


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    first = find_access_key(tmp_path, {})
    assert find_access_key(tmp_path, {}) == first
    assert find_access_key(tmp_path / "other", {}) != first
    assert stat.S_IMODE((tmp_path / "access-key.json").stat().st_mode) == 0o600
    given = {"LOCALCLOUD_ACCESS_KEY_ID": "a", "LOCALCLOUD_SECRET_ACCESS_KEY": "b"}
    assert find_access_key(tmp_path, given).variables() == {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with pytest.raises(ValueError, match="both"):
        find_access_key(tmp_path, {"LOCALCLOUD_ACCESS_KEY_ID": "a"})
    (tmp_path / "access-key.json").write_text("{}")
    with pytest.raises(ValueError, match="remove it"):
        find_access_key(tmp_path, {})


def test_a_shell_is_told_how_to_reach_the_one_that_runs(tmp_path):
    plain = {"PATH": os.environ["PATH"]}
    told = [sys.executable, "-m", "localcloud", "env", "--home", str(tmp_path)]
    none = subprocess.run(told, cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
    assert (none.returncode, none.stdout) == (1, "")
    assert "no localcloud runs" in none.stderr
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "localcloud", "--port", "0", "--home", str(tmp_path), "--ready-file", str(ready)]
    process = subprocess.Popen(command, cwd=ROOT, env=plain, start_new_session=True)
    try:
        assert any(ready.is_file() for _ in poll_until(LIMIT_SECONDS))
        assert stat.S_IMODE(ready.stat().st_mode) == 0o600
        script = (
            f'eval "$({sys.executable} -m localcloud env --home {tmp_path})" && '
            f"{sys.executable} -c \"import boto3; print(boto3.client('s3').list_buckets()['Buckets'])\""
        )
        done = subprocess.run(["sh", "-c", script], cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)
    assert not (tmp_path / "instance.json").exists()
