"""ListTrainingJobs: every job once, in order, whatever the size of the page."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.sagemaker.exceptions import AWSValidationException

from localcloud.engines.sagemaker_job import Ending, Phase, TrainingJob
from localcloud.engines.sagemaker_listing import list_jobs


def make_jobs(*names: str) -> list[TrainingJob]:
    return [TrainingJob({"TrainingJobName": name}, f"arn:{name}") for name in names]


def names_of(answer: dict[str, Any]) -> list[str]:
    return [found["TrainingJobName"] for found in answer["TrainingJobSummaries"]]


@given(
    st.sets(st.text("abc123-", min_size=1, max_size=8), max_size=15),
    st.integers(1, 100),
    st.sampled_from(["Name", "CreationTime", "Status", None]),
    st.sampled_from(["Ascending", "Descending", None]),
)
def test_pages_hold_every_job_once(names, size, by, order):
    jobs = make_jobs(*sorted(names))
    query = {"MaxResults": size, "SortBy": by, "SortOrder": order}
    seen: list[str] = []
    token = None
    while True:
        answer = list_jobs(jobs, query | {"NextToken": token})
        seen += names_of(answer)
        token = answer.get("NextToken")
        if token is None:
            break
    assert sorted(seen) == sorted(names)
    if by == "Name":
        assert seen == sorted(names, reverse=order == "Descending")


def test_the_newest_comes_first_when_no_order_is_asked_for():
    assert names_of(list_jobs(make_jobs("first", "second"), {})) == ["second", "first"]


def test_the_status_filters_the_page_and_not_the_whole_list():
    jobs = make_jobs("a", "b", "c")
    jobs[2].finish(Ending(Phase.COMPLETED))
    query = {"StatusEquals": "Completed", "MaxResults": 2, "SortBy": "Name"}
    answer = list_jobs(jobs, query)
    assert names_of(answer) == []
    assert names_of(list_jobs(jobs, query | {"NextToken": answer["NextToken"]})) == ["c"]


def test_finds_part_of_a_name_whatever_its_case():
    assert names_of(list_jobs(make_jobs("digits-Train-1", "digits-evaluate-1"), {"NameContains": "train"})) == [
        "digits-Train-1"
    ]


def test_filters_by_time_with_and_without_a_zone():
    jobs = make_jobs("a")
    at = jobs[0].creation_time
    assert names_of(list_jobs(jobs, {"CreationTimeAfter": at})) == []
    assert names_of(list_jobs(jobs, {"CreationTimeBefore": at.replace(tzinfo=None)})) == []
    assert names_of(list_jobs(jobs, {"LastModifiedTimeAfter": at.replace(year=2000, tzinfo=None)})) == ["a"]


@pytest.mark.parametrize(
    "query",
    [{"MaxResults": 101}, {"SortBy": "Colour"}, {"SortOrder": "Sideways"}, {"NextToken": "bm8="}, {"NextToken": "é"}],
)
def test_refuses_what_it_does_not_know(query):
    with pytest.raises(AWSValidationException):
        list_jobs(make_jobs("a"), query)
