"""Snapshots, fresh starts, and homes that are taken: a localcloud in this process, on a folder that outlives it."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localcloud.__main__ import main
from localcloud.access import instance_file, write_private
from localcloud.durable.home import JOURNAL, OBJECTS, Durability, forget
from localcloud.durable.store import HomeInUse, JournalUnreadable, Store
from localcloud.engines import load_engines
from localcloud.server import LocalCloud

MIB = 2**20


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


class Run:
    """A localcloud with S3, DynamoDB and SQS on a home, for the time of a block."""

    def __init__(self, home: Path) -> None:
        self.cloud = LocalCloud(home=home, engines=load_engines(["s3", "dynamodb", "sqs"]), durable=True)

    def __enter__(self) -> Run:
        self.cloud.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cloud.stop()

    def client(self, service: str) -> Any:
        key = self.cloud.access_key
        config = Config(retries={"max_attempts": 0}, max_pool_connections=32)
        return boto3.client(
            service,
            endpoint_url=self.cloud.url,
            config=config,
            region_name="us-east-1",
            aws_access_key_id=key.id,
            aws_secret_access_key=key.secret,
        )


@pytest.fixture
def filled(home: Path) -> Iterator[Path]:
    with Run(home) as run:
        s3 = run.client("s3")
        s3.create_bucket(Bucket="pages")
        s3.put_object(Bucket="pages", Key="small", Body=b"small")
        s3.put_object(Bucket="pages", Key="large", Body=b"large" * MIB)
    return home


def read(home: Path) -> dict[str, bytes]:
    with Run(home) as run:
        s3 = run.client("s3")
        if not s3.list_buckets()["Buckets"]:
            return {}
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="pages").get("Contents", [])]
        return {key: s3.get_object(Bucket="pages", Key=key)["Body"].read() for key in keys}


WHOLE = {"small": b"small", "large": b"large" * MIB}


def test_a_snapshot_of_a_running_localcloud_is_restored_elsewhere(filled, tmp_path):
    file, other = tmp_path / "state.tar", tmp_path / "other"
    with Run(filled) as run:
        write_private(instance_file(filled), {"url": run.cloud.url, "environment": run.cloud.environment})
        assert main(["snapshot", str(file), "--home", str(filled)]) == 0
        run.client("s3").delete_object(Bucket="pages", Key="large")
    assert main(["restore", str(file), "--home", str(other)]) == 0
    assert read(other) == WHOLE
    assert read(filled) == {"small": b"small"}


def test_a_snapshot_of_a_home_at_rest_is_restored_over_another_state(filled, tmp_path, capsys):
    file = tmp_path / "state.tar"
    assert main(["snapshot", str(file), "--home", str(filled)]) == 0
    with Run(filled) as run:
        run.client("s3").put_object(Bucket="pages", Key="later", Body=b"later")
    assert main(["restore", str(file), "--home", str(filled)]) == 1
    assert "--fresh" in capsys.readouterr().err
    assert main(["restore", str(file), "--home", str(filled), "--fresh"]) == 0
    assert read(filled) == WHOLE
    assert sorted(each.name for each in filled.iterdir() if each.name.startswith(("restore-", "snapshot-"))) == []


def test_a_home_belongs_to_one_localcloud(filled, capsys):
    with Run(filled):
        with pytest.raises(HomeInUse, match="--home"):
            Store(filled / JOURNAL)
        assert main(["restore", "no-such-file", "--home", str(filled), "--fresh"]) == 1
    assert "no-such-file" in capsys.readouterr().err


def test_a_fresh_start_begins_with_nothing(filled):
    forget(filled)
    assert read(filled) == {}


@pytest.mark.parametrize("name", ["../out", "objects/../../out", "/etc/out", "objects/", "readme"])
def test_a_snapshot_with_foreign_names_is_refused_and_changes_nothing(filled, tmp_path, capsys, name):
    file = tmp_path / "hostile.tar"
    with tarfile.open(file, "w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    assert main(["restore", str(file), "--home", str(filled), "--fresh"]) == 1
    assert "snapshot" in capsys.readouterr().err
    assert read(filled) == WHOLE


def test_a_link_in_a_snapshot_is_refused(filled, tmp_path):
    file = tmp_path / "hostile.tar"
    with tarfile.open(file, "w") as tar:
        entry = tarfile.TarInfo("objects/body-1")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    assert main(["restore", str(file), "--home", str(filled), "--fresh"]) == 1
    assert read(filled) == WHOLE


def test_a_journal_that_names_a_foreign_class_is_not_read(filled):
    store = Store(filled / JOURNAL)
    form = json.dumps([{"args": ["l", "true"]}, None])
    store.commit([("INSERT INTO node (number, root, kind, form) VALUES (99999, 1, 'subprocess:Popen', ?)", (form,))])
    store.close()
    durability = Durability(filled)
    try:
        with pytest.raises(JournalUnreadable, match="subprocess"):
            durability.load()
    finally:
        durability.close()


def test_what_nobody_needs_is_removed_from_the_disk(filled):
    assert len(list((filled / OBJECTS).iterdir())) == 1
    (filled / OBJECTS / "body-left-by-a-kill").write_bytes(b"x")
    with Run(filled) as run:
        s3 = run.client("s3")
        assert len(list((filled / OBJECTS).iterdir())) == 1
        s3.put_object(Bucket="pages", Key="large", Body=b"other" * MIB)
        s3.copy_object(Bucket="pages", Key="copy", CopySource={"Bucket": "pages", "Key": "large"})
        assert len(list((filled / OBJECTS).iterdir())) == 1  # a copy shares the file
        s3.delete_object(Bucket="pages", Key="large")
        assert s3.get_object(Bucket="pages", Key="copy")["Body"].read() == b"other" * MIB
        s3.delete_object(Bucket="pages", Key="copy")
        assert list((filled / OBJECTS).iterdir()) == []


def test_ranges_and_parts_of_large_objects_are_those_of_their_bytes(home):
    content = bytes(range(256)) * (6 * MIB // 256)
    with Run(home) as run:
        s3 = run.client("s3")
        s3.create_bucket(Bucket="pages")
        upload = s3.create_multipart_upload(Bucket="pages", Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
        place = {"Bucket": "pages", "Key": "k", "UploadId": upload}
        bodies = [content, b"tail"]
        parts = [
            {"PartNumber": number, "ETag": s3.upload_part(**place, PartNumber=number, Body=body)["ETag"]}
            for number, body in enumerate(bodies, start=1)
        ]
        done = s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        assert done["ETag"].endswith('-2"')
        whole = content + b"tail"
        for ask, want in {
            "bytes=0-9": whole[:10],
            f"bytes={6 * MIB - 2}-{6 * MIB + 1}": whole[6 * MIB - 2 : 6 * MIB + 2],
            "bytes=-3": whole[-3:],
            "bytes=100-": whole[100:],
        }.items():
            found = s3.get_object(Bucket="pages", Key="k", Range=ask)
            assert found["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert found["Body"].read() == want
        assert s3.head_object(Bucket="pages", Key="k")["ContentLength"] == len(whole)
    assert read(home) == {"k": whole}


def test_a_failed_transaction_leaves_the_journal_as_it_was(home):
    with Run(home) as run:
        table = run.client("dynamodb")
        table.create_table(
            TableName="t",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        table.put_item(TableName="t", Item={"pk": {"S": "there"}})
        check = {"TableName": "t", "Key": {"pk": {"S": "nowhere"}}, "ConditionExpression": "attribute_exists(pk)"}
        put = {"TableName": "t", "Item": {"pk": {"S": "never"}}}
        with pytest.raises(table.exceptions.TransactionCanceledException):
            table.transact_write_items(TransactItems=[{"Put": put}, {"ConditionCheck": check}])
        table.put_item(TableName="t", Item={"pk": {"S": "after"}})
    with Run(home) as run:
        found = run.client("dynamodb").scan(TableName="t")["Items"]
    assert {item["pk"]["S"] for item in found} == {"there", "after"}


def test_writers_at_the_same_time_are_all_there_after_a_restart(home):
    with Run(home) as run:
        s3 = run.client("s3")
        s3.create_bucket(Bucket="pages")
        threads = [
            threading.Thread(
                target=lambda number=number: [
                    s3.put_object(Bucket="pages", Key=f"{number}/{each}", Body=b"x") for each in range(10)
                ]
            )
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read(home)) == 80
