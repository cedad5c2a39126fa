"""The dossier tells an approver what to know, on one page."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from ratchet.approval import build_dossier
from ratchet.data import Diff
from ratchet.registry import ModelVersion, Provenance, Stage

PROVENANCE = Provenance(
    pipeline="digits",
    run_id="manual__1",
    dataset="digits",
    dataset_version="d" * 64,
    code_digest="c" * 64,
    git_commit="abcdef0123456789",
    image_uri="",
    hyperparameters={"learning-rate": 0.002, "epochs": 12},
    job_name="digits-train-dddddddddddd-e1",
    billable_seconds=75,
)
VERSION = ModelVersion(
    model="digits",
    version=7,
    digest="a" * 64,
    uri="s3://models/digits/7/model.tar.gz",
    s3_version_id="v",
    stage=Stage.PASSED,
    provenance=PROVENANCE,
    evaluation={"champion_version": 5},
    created_at="2030-01-01T00:00:00.000Z",
)
CHAMPION = replace(VERSION, version=5, digest="b" * 64, stage=Stage.CHAMPION)
DIFF = Diff(("3/new.png", "4/x.png"), ("3/old.png",), (), {"3": 10, "4": 10}, {"3": 10, "4": 11})


def verdict(**more):
    recalls = [SimpleNamespace(label=str(n), challenger=0.9 - n / 100, champion=0.8, support=10) for n in range(10)]
    fields = {
        "passed": True,
        "checks": [SimpleNamespace(name="accuracy", found="0.9100", allowed="at least 0.8", passed=True)],
        "reasons": ["all 1 gates passed"],
        "significance": SimpleNamespace(difference=0.02, low=-0.01, high=0.05, p_value=0.12),
        "comparisons": [SimpleNamespace(metric="accuracy", challenger=0.91, champion=0.89, difference=0.02)],
        "recalls": recalls,
    }
    return SimpleNamespace(**fields | more)


def page(version=VERSION, champion=CHAMPION, diff=DIFF, **more):
    return build_dossier(
        version,
        champion,
        verdict=verdict(**more),
        diff=diff,
        plan_text="1. ecs: register a task definition",
        links={"Evaluation report": "http://localhost:4566/models/digits/7/report/report.html"},
    )


def test_binds_to_the_artefact():
    assert page().digest == VERSION.digest
    assert VERSION.digest in page().markdown


def test_says_in_one_line_what_is_asked():
    assert page().subject == "Release digits 7? Accuracy 0.9100, +0.0200 against the champion"


@pytest.mark.parametrize(
    "line",
    [
        r"**digits 7** waits to replace version 5.",
        "| accuracy | 0.9100 | 0.8900 | +0.0200 |",
        "The difference in accuracy is +0.0200, 95 % between -0.0100 and +0.0500 (paired bootstrap, p 0.120).",
        "| 9 | 0.8100 | 0.8000 | +0.0100 | 10 |",
        "2 added, 1 removed, 0 changed",
        "| 3 | 10 | 10 | 1 | 1 | 0 |",
        "| 4 | 10 | 11 | 1 | 0 | 0 |",
        "75 s billed",
        "1. ecs: register a task definition",
        "- [Evaluation report](<http://localhost:4566/models/digits/7/report/report.html>)",
    ],
)
def test_shows_what_an_approver_has_to_know(line):
    assert line in page().markdown


def test_shows_only_the_three_worst_classes():
    rows = [line for line in page().markdown.splitlines() if line.endswith("| 10 |") and "0.8000" in line]
    assert [row[2] for row in rows] == ["9", "8", "7"]


def test_the_first_model_is_told_as_such():
    first = page(
        replace(VERSION, evaluation={"champion_version": None}),
        champion=None,
        diff=None,
        significance=None,
        comparisons=[SimpleNamespace(metric="accuracy", challenger=0.91, champion=None, difference=None)],
    )
    assert first.subject.endswith("Accuracy 0.9100, first model")
    assert "it would be the first to serve" in first.markdown
    assert "no earlier one to compare with" in first.markdown
    assert "Beware" not in first.markdown


def test_warns_when_it_was_compared_with_a_version_that_no_longer_serves():
    assert (
        "compared with version 4, which is not the champion now"
        in page(replace(VERSION, evaluation={"champion_version": 4})).markdown
    )


def test_labels_that_hold_markup_stay_text():
    evil = "x|<img src=x onerror=alert(1)>|{{ conn.password }}"
    diff = Diff((f"{evil}/a.png",), (), (), {}, {evil: 1})
    recalls = [SimpleNamespace(label=evil, challenger=0.5, champion=None, support=3)]
    markdown = page(diff=diff, recalls=recalls).markdown
    assert "<img" not in markdown.replace("\\<", "")
    assert "{{" not in markdown
    assert "x\\|\\<img" in markdown


def test_stays_short_with_a_thousand_classes():
    labels = [f"class-{n}" for n in range(1000)]
    diff = Diff(tuple(f"{label}/a.png" for label in labels), (), (), {}, dict.fromkeys(labels, 1))
    checks = [SimpleNamespace(name=f"recall of {label}", found="1", allowed="1", passed=True) for label in labels]
    markdown = page(diff=diff, checks=checks).markdown
    assert len(markdown.splitlines()) < 120
    assert "and 980 more" in markdown
