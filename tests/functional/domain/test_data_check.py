"""The check before money is spent, over moto: rules, reports in S3, and nothing but first bytes read of images."""

from __future__ import annotations

import io
import json
import struct

import pytest
from domain_world import DEPLOYMENT
from PIL import Image

from ratchet.contract import RECORD_HEADER, RECORD_MAGIC
from ratchet.dataset_spec import Data
from ratchet.errors import DataError
from ratchet.loop.check import check
from ratchet.loop.workshop import Workshop
from ratchet.settings import load_settings
from ratchet.spec import Approval, Pipeline


def png(width=12, height=12, mode="L", colour=0):
    sink = io.BytesIO()
    Image.new(mode, (width, height), colour).save(sink, "PNG")
    return sink.getvalue()


def record(number, label, payload=b"image"):
    content = RECORD_HEADER.pack(0, label, number, 0) + payload
    return RECORD_MAGIC + struct.pack("<I", len(content)) + content + bytes(-len(content) % 4)


def look(world, **rules):
    pipeline = Pipeline(name="digits", data=Data(dataset="digits", **rules), approval=Approval(approvers=("alice",)))
    shop = Workshop(pipeline, settings=load_settings({}), aws=world.door, deployment=DEPLOYMENT, clock=world.clock)
    return check(shop, world.datasets.freeze("digits").version)


def read_report(world, uri):
    client = world.door.client("s3")
    key = uri.removeprefix(f"s3://{DEPLOYMENT.data_bucket}/")
    page, plain = (
        client.get_object(Bucket=DEPLOYMENT.data_bucket, Key=name) for name in (key, key.replace(".html", ".json"))
    )
    assert page["ContentType"] == "text/html; charset=utf-8"
    return page["Body"].read().decode(), json.loads(plain["Body"].read())


def rules_of(checked):
    return {finding.rule: finding for finding in checked.inspection.findings}


def test_a_fit_dataset_leaves_its_classes_and_a_report(world):
    for key in ("0/a.png", "0/b.png", "1/c.png"):
        world.upload(key, png())
    checked = look(world, labels=("0", "1"))
    assert checked.require() == {"0": 2, "1": 1}
    page, plain = read_report(world, checked.report_uri)
    assert "Every rule holds." in page
    assert "<svg" in page
    assert plain["passed"] is True
    assert look(world, labels=("0", "1")).report_uri == checked.report_uri


def test_an_unfit_dataset_is_told_by_rule_found_allowed_and_examples(world):
    world.upload("0/a", b"x")
    world.upload("0/b", b"")
    world.upload("7/<b>\nx", b"x")
    checked = look(world, labels=("0", "1"), min_images_per_class=2)
    with pytest.raises(DataError) as caught:
        checked.require()
    message = str(caught.value)
    assert "- files have bytes: found 1 empty, allowed at most 0 % unreadable, for example 0/b" in message
    assert "- every required class is there: found 1 missing, allowed 0, 1, for example 1" in message
    assert "- every class is known: found 1 unknown, allowed 0, 1, for example 7" in message
    assert "- every class has enough images: found 1 with too few, allowed at least 2 each" in message
    assert message.splitlines()[0].endswith("is not fit for training; nothing was spent.")
    assert checked.report_uri in message
    assert "4 rule(s) do not hold." in read_report(world, checked.report_uri)[0]


def test_images_are_judged_by_their_first_bytes(world):
    world.upload("0/fine.png", png())
    world.upload("0/wide.png", png(width=400))
    world.upload("1/colour.png", png(mode="RGB"))
    world.upload("1/text.png", b"no image")
    world.upload("1/cut.png", png()[:-15])
    asked = []
    seen = world.through(lambda name, call: (asked.append(name), call())[1])
    checks = {"width": {"max": 100}, "height": {"min": 5}, "channels": (1,), "headers": 100}
    found = look(seen, checks=checks, max_unreadable_percent=10)
    rules = rules_of(found)
    assert rules["images are as wide as they may be"].examples == ("0/wide.png has 400",)
    assert rules["images have the right channels"].examples == ("1/colour.png has 3",)
    assert rules["images can be read"].examples == ("1/text.png",)
    assert rules["images can be read"].found == "1 of 5 cannot"
    assert set(rules) == {"images are as wide as they may be", "images have the right channels", "images can be read"}
    assert found.inspection.sizes == {"12 x 12": 3, "400 x 12": 1}


def test_a_sample_of_headers_is_spread_over_the_keys(world):
    for number in range(10):
        world.upload(f"{number % 2}/{number}.png", png())
    assert look(world, checks={"width": {"max": 100}, "headers": 4}).inspection.examined == 4


def test_an_object_that_is_overwritten_meanwhile_is_judged_as_it_was_frozen(world):
    world.upload("0/a.png", png())
    world.upload("1/b.png", png())
    version = world.datasets.freeze("digits").version
    world.upload("1/b.png", png(width=999))
    data = Data(dataset="digits", freeze="copy", checks={"width": {"max": 100}})
    pipeline = Pipeline(name="digits", data=data, approval=Approval(approvers=("alice",)))
    shop = Workshop(pipeline, settings=load_settings({}), aws=world.door, deployment=DEPLOYMENT, clock=world.clock)
    assert check(shop, version).require() == {"0": 1, "1": 1}


def test_tables_are_held_against_their_schema(world):
    world.upload("good.csv", b"age,city,label\n41,Ulm,yes\n7,Bonn,no\n")
    world.upload("bad.csv", b"age,city,label\n200,Ulm,yes\nold,Rome,no\n,Ulm,no\n")
    world.upload("short.csv", b"age,label\n3,yes\n")
    columns = {"age": {"type": "integer", "min": 0, "max": 120}, "city": {"type": "text", "values": ("Ulm", "Bonn")}}
    found = look(world, format="csv", labels=("yes", "no", "maybe"), checks={"columns": columns})
    rules = rules_of(found)
    assert rules["column age holds its type"].examples[0] == "bad.csv row 2: old"
    assert rules["column city is within its range"].examples == ("bad.csv row 2: Rome",)
    assert rules["column city is within its range"].allowed == "text, never empty, one of Ulm, Bonn"
    assert "short.csv: 'lacks the columns city'" in rules["every table can be read and has its columns"].examples[0]
    assert rules["every required class is there"].examples == ("maybe",)
    assert found.inspection.classes == {"no": 3, "yes": 2}


def test_a_range_of_a_column_is_told_with_the_row(world):
    world.upload("rows.csv", b"age,label\n" + b"40,yes\n" * 30 + b"121,no\n")
    (finding,) = look(world, format="csv", checks={"columns": {"age": {"max": 120}}}).inspection.findings
    assert (finding.rule, finding.found) == ("column age is within its range", "1 cells")
    assert finding.examples == ("rows.csv row 31: 121.0",)


def test_record_files_are_read_to_their_end(world):
    world.upload("good.rec", record(0, 0.0) + record(1, 1.0, RECORD_MAGIC[:3]))
    assert look(world, format="recordio").require() == {"0": 1, "1": 1}
    assert look(world, format="recordio", labels=("cat", "dog")).require() == {"cat": 1, "dog": 1}


@pytest.mark.parametrize(
    ("body", "rule", "example"),
    [
        (record(0, 0.0)[:-2], "every record file is whole", "bad.rec: a record is cut off or out of place"),
        (b"garbage!", "every record file is whole", "bad.rec: no record begins where one should"),
        (record(5, 7.0), "every record has one label that is known", "bad.rec record 5: 7"),
        (record(5, float("nan")), "every record has one label that is known", "bad.rec record 5: nan"),
    ],
)
def test_a_broken_record_file_is_refused_before_anything_runs(world, body, rule, example):
    world.upload("good.rec", record(0, 0.0) + record(1, 1.0))
    world.upload("bad.rec", body)
    (finding,) = look(world, format="recordio", labels=("cat", "dog")).inspection.findings
    assert (finding.rule, finding.examples) == (rule, (example,))


def test_a_column_of_texts_must_be_there(world):
    world.upload("a.csv", b"kind,said\nx,hello\ny,bye\n")
    rules = {"format": "csv", "csv": {"label_column": "kind", "text_column": "said"}}
    assert look(world, **rules).require() == {"x": 1, "y": 1}
    world.upload("b.csv", b"kind,told\nx,hello\n")
    assert "b.csv: 'lacks the columns said'" in str(rules_of(look(world, **rules)))


def test_text_folders_are_counted_by_class(world):
    for key in ("de/a.txt", "de/b.txt", "en/c.txt"):
        world.upload(key, b"text")
    assert look(world, format="text", labels=("de", "en")).require() == {"de": 2, "en": 1}
    world.upload("stray.txt", b"text")
    assert "every file lies in a class folder" in rules_of(look(world, format="text", labels=("de", "en")))
