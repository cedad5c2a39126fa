"""Settings: argument before environment before default."""

from __future__ import annotations

import pytest

from ratchet.errors import SpecError
from ratchet.settings import load_settings


def test_takes_the_defaults_from_an_empty_environment():
    settings = load_settings({})
    assert (settings.stack, settings.region, settings.poll_seconds) == ("ratchet", "us-east-1", 10.0)


def test_prefers_the_environment():
    settings = load_settings({"AWS_REGION": "eu-west-1", "RATCHET_POLL_SECONDS": "1.5"})
    assert settings.poll_seconds == 1.5
    assert settings.console_url == "https://eu-west-1.console.aws.amazon.com"


@pytest.mark.parametrize("value", ["soon", "0", "-1", "86400", "nan"])
def test_refuses_seconds_that_make_no_sense(value):
    with pytest.raises(SpecError, match="RATCHET_POLL_SECONDS"):
        load_settings({"RATCHET_POLL_SECONDS": value})


def test_links_to_the_pages_of_objects_and_jobs():
    settings = load_settings({"RATCHET_CONSOLE_URL": "http://localhost:4566/c/"})
    assert settings.object_page("s3://b/a key") == "http://localhost:4566/c/s3/object/b?region=us-east-1&prefix=a%20key"
    assert settings.job_page("j").endswith("#/jobs/j")


def test_links_to_the_pages_of_what_serves():
    settings = load_settings({"AWS_REGION": "eu-west-1"})
    aws = "https://eu-west-1.console.aws.amazon.com"
    assert settings.service_page("c", "s") == f"{aws}/ecs/v2/clusters/c/services/s/health?region=eu-west-1"
    assert settings.function_page("f") == f"{aws}/lambda/home?region=eu-west-1#/functions/f"
