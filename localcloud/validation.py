"""Refuses here what AWS would refuse: requests that break the service's own model.

Covered are the JSON services (SageMaker, ECS, DynamoDB, CloudWatch and its logs, and their like), Lambda's REST-JSON
(members in path and body), and the query protocol (CloudFormation, load balancers, SNS, STS, IAM). Not covered are S3
and EC2, members in headers and query strings, and rules that a model does not state.
"""

from __future__ import annotations

import threading
from typing import Any

from localcloud.constraint import violations
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call
from localcloud.wire import Unreadable, read_members

# Signing name of the service: its name in botocore.
_MODELS = {
    "cloudformation": "cloudformation",
    "dynamodb": "dynamodb",
    "ecr": "ecr",
    "ecs": "ecs",
    "elasticloadbalancing": "elbv2",
    "iam": "iam",
    "lambda": "lambda",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "sagemaker": "sagemaker",
    "sns": "sns",
    "sqs": "sqs",
    "sts": "sts",
}
_DEFAULT_CODE = "ValidationException"
_CODES = {
    "cloudformation": "ValidationError",
    "ecr": "InvalidParameterException",
    "ecs": "InvalidParameterException",
    "elasticloadbalancing": "ValidationError",
    "iam": "ValidationError",
    "logs": "InvalidParameterException",
    "monitoring": "ValidationError",
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
    "sts": "ValidationError",
}
_SHOWN_VIOLATIONS = 10
_STATUS = "400 Bad Request"


class ModelShelf:
    """botocore's service models, each loaded when first asked for: SageMaker's alone takes a noticeable time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, Any] = {}
        self._loader: Any = None

    def get(self, service: str) -> Any:
        """Return the model of a service, by its name in botocore."""
        with self._lock:
            if service not in self._models:
                self._models[service] = self._load(service)
            return self._models[service]

    def _load(self, service: str) -> Any:
        from botocore.loaders import create_loader
        from botocore.model import ServiceModel

        self._loader = self._loader or create_loader()
        return ServiceModel(self._loader.load_service_model(service, "service-2"), service)


class Validator:
    """Looks at each call before moto does."""

    def __init__(self, shelf: ModelShelf | None = None) -> None:
        self._shelf = shelf or ModelShelf()

    def __call__(self, call: Call) -> Refusal | None:
        """Return the refusal of a call that breaks its model, or None."""
        service = _MODELS.get(call.service)
        if service is None:
            return None
        model = self._shelf.get(service)
        try:
            read = read_members(model, call)
        except Unreadable as error:
            return refuse(call, _STATUS, "SerializationException", str(error))
        if read is None or read[0].input_shape is None:
            return None
        operation, members = read
        found = list(violations(_readable(operation.input_shape, call), members))
        if not found:
            return None
        return refuse(call, _STATUS, _CODES.get(call.service, _DEFAULT_CODE), _message(found))


class _BodyShape:
    """An input shape of REST-JSON without the members that travel where we do not look."""

    type_name = "structure"
    is_tagged_union = False

    def __init__(self, shape: Any) -> None:
        self.metadata = shape.metadata
        self.members = {
            name: member
            for name, member in shape.members.items()
            if member.serialization.get("location") in {None, "uri"}
        }
        self.required_members = [name for name in shape.required_members if name in self.members]


def _readable(shape: Any, call: Call) -> Any:
    return shape if call.target or call.service != "lambda" else _BodyShape(shape)


def _message(found: list[str]) -> str:
    count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: "
    return count + "; ".join(found[:_SHOWN_VIOLATIONS])
