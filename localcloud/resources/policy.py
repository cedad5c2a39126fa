"""AWS::S3::BucketPolicy and AWS::SQS::QueuePolicy."""

from __future__ import annotations

import json
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from moto.utilities.utils import get_partition

from localcloud.resources.base import AddedResource, properties_of


class BucketPolicy(AddedResource, CloudFormationModel):
    """The policy of a bucket; `Ref` gives the bucket's name.

    A policy that demands TLS is kept and shown but not obeyed: localcloud speaks plain HTTP on the loopback alone.
    """

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::S3::BucketPolicy"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
    ) -> BucketPolicy:
        """Put the policy."""
        properties = properties_of(cloudformation_json)
        policy = json.dumps(properties["PolicyDocument"]).encode()
        s3_backends[account_id][get_partition(region_name)].put_bucket_policy(properties["Bucket"], policy)
        return cls(properties["Bucket"])

    @classmethod
    def update_from_cloudformation_json(  # noqa: PLR0917 - the signature that moto calls
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> BucketPolicy:
        """Put the new policy."""
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str
    ) -> None:
        """Remove the policy."""
        bucket = properties_of(cloudformation_json)["Bucket"]
        s3_backends[account_id][get_partition(region_name)].delete_bucket_policy(bucket)


class QueuePolicy(AddedResource, CloudFormationModel):
    """One policy for some queues."""

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::SQS::QueuePolicy"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
    ) -> QueuePolicy:
        """Set the queues' policy."""
        properties = properties_of(cloudformation_json)
        policy = json.dumps(properties["PolicyDocument"])
        for url in properties["Queues"]:
            sqs_backends[account_id][region_name].set_queue_attributes(url.rsplit("/", 1)[-1], {"Policy": policy})
        return cls(resource_name)

    @classmethod
    def update_from_cloudformation_json(  # noqa: PLR0917 - the signature that moto calls
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> QueuePolicy:
        """Set the new policy."""
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str
    ) -> None:
        """Leave the queues without a policy."""
        for url in properties_of(cloudformation_json)["Queues"]:
            sqs_backends[account_id][region_name].set_queue_attributes(url.rsplit("/", 1)[-1], {"Policy": ""})
