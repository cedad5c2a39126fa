"""An image by its digest: a tag may mean another image tomorrow."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from ratchet.compute.image import pin_image

MINE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/mine"
DIGEST = "sha256:" + "a" * 64


def door(answer):
    asked = []

    def describe_images(**request):
        asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(client=lambda service: SimpleNamespace(describe_images=describe_images), asked=asked)


def test_a_tag_becomes_its_digest():
    aws = door({"imageDetails": [{"imageDigest": DIGEST}]})
    assert pin_image(aws, f"{MINE}:latest") == f"{MINE}@{DIGEST}"
    assert aws.asked == [
        {"registryId": "123456789012", "repositoryName": "team/mine", "imageIds": [{"imageTag": "latest"}]}
    ]


@pytest.mark.parametrize("uri", [None, f"{MINE}@{DIGEST}", "public.ecr.aws/docker/library/python:3.11", "mine:1"])
def test_what_is_pinned_or_lies_elsewhere_stays(uri):
    aws = door({})
    assert pin_image(aws, uri) == uri
    assert aws.asked == []


@pytest.mark.parametrize("code", ["AccessDeniedException", "ImageNotFoundException", "RepositoryNotFoundException"])
def test_an_image_that_cannot_be_looked_at_stays(code):
    aws = door(ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeImages"))
    assert pin_image(aws, f"{MINE}:1") == f"{MINE}:1"
