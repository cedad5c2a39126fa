"""botocore's service models, found by what a request says of its service."""

from __future__ import annotations

import threading
from typing import Any

from localcloud.request import Call
from localcloud.route import Found, find_operation

# Signing name: names in botocore, where several services share one or the names differ; the first is the usual one.
_NAMES: dict[str, tuple[str, ...]] = {
    "aoss": ("opensearchserverless",),
    "apigateway": ("apigateway", "apigatewayv2"),
    "dynamodb": ("dynamodb", "dynamodbstreams"),
    "elasticfilesystem": ("efs",),
    "elasticloadbalancing": ("elbv2", "elb"),
    "execute-api": ("apigateway",),
    "monitoring": ("cloudwatch",),
    "s3-object-lambda": ("s3",),
    "s3express": ("s3",),
    "sagemaker": ("sagemaker", "sagemaker-runtime", "sagemaker-metrics"),
    "states": ("stepfunctions",),
}
_CONTROL_PATH = "/v20180820/"  # what tells S3's control plane from objects with such keys


def botocore_name(service: str) -> str:
    """Return the name that botocore has for a signing name."""
    return _NAMES.get(service, (service,))[0]


class ModelShelf:
    """The models, each loaded when first asked for: SageMaker's alone takes a noticeable time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: dict[str, Any] = {}
        self._loader: Any = None

    def get(self, service: str) -> Any:
        """Return the model of a service by its name in botocore, or None when botocore does not know it."""
        with self._lock:
            if service not in self._models:
                self._models[service] = self._load(service)
            return self._models[service]

    def find(self, call: Call) -> tuple[Any, Found] | None:
        """Return the model of a call's service and its operation, or None when no model has it."""
        for name in _candidates(call):
            model = self.get(name)
            found = find_operation(model, call) if model is not None else None
            if found is not None:
                return model, found
        return None

    def _load(self, service: str) -> Any:
        from botocore.exceptions import UnknownServiceError
        from botocore.loaders import create_loader
        from botocore.model import ServiceModel

        self._loader = self._loader or create_loader()
        try:
            return ServiceModel(self._loader.load_service_model(service, "service-2"), service)
        except UnknownServiceError:
            return None


def _candidates(call: Call) -> tuple[str, ...]:
    if call.service == "s3":
        return ("s3control",) if call.path.startswith(_CONTROL_PATH) else ("s3",)
    return _NAMES.get(call.service, (call.service,))
