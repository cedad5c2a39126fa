"""AWS::S3::BucketPolicy and AWS::SQS::QueuePolicy."""

from __future__ import annotations

import json
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from moto.utilities.utils import get_partition

from localcloud.resources.base import AddedResource, Place


class BucketPolicy(AddedResource, CloudFormationModel):
    """The policy of a bucket; `Ref` gives the bucket's name.

    A policy that demands TLS is kept and shown but not obeyed: localcloud speaks plain HTTP on the loopback alone.
    """

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::S3::BucketPolicy"

    @classmethod
    def create(cls, properties: dict[str, Any], place: Place) -> BucketPolicy:
        """Put the policy."""
        policy = json.dumps(properties["PolicyDocument"]).encode()
        s3_backends[place.account_id][get_partition(place.region_name)].put_bucket_policy(properties["Bucket"], policy)
        return cls(properties["Bucket"])

    @classmethod
    def remove(cls, properties: dict[str, Any], place: Place) -> None:
        """Remove the policy."""
        s3_backends[place.account_id][get_partition(place.region_name)].delete_bucket_policy(properties["Bucket"])


class QueuePolicy(AddedResource, CloudFormationModel):
    """One policy for some queues."""

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::SQS::QueuePolicy"

    @classmethod
    def create(cls, properties: dict[str, Any], place: Place) -> QueuePolicy:
        """Set the queues' policy."""
        _set_policy(properties["Queues"], json.dumps(properties["PolicyDocument"]), place)
        return cls(place.name)

    @classmethod
    def remove(cls, properties: dict[str, Any], place: Place) -> None:
        """Leave the queues without a policy."""
        _set_policy(properties["Queues"], "", place)


def _set_policy(urls: list[str], policy: str, place: Place) -> None:
    backend = sqs_backends[place.account_id][place.region_name]
    for url in urls:
        backend.set_queue_attributes(url.rsplit("/", 1)[-1], {"Policy": policy})
