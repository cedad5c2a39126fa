"""Names and tokens of SageMaker's records that are not jobs: a name is one record's, a token makes a repeat harmless.

moto replaces the record of a name without a word, and makes a package for every request.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException, ConflictException

from localcloud.lock import service_lock


class UniqueRecords:
    """To be put before moto's backend in the bases of a class."""

    def create_model(self, *, model_name: str, **members: Any) -> Any:
        """Make a model whose name is new."""
        return self._create_new("create_model", "_models", "model", model_name=model_name, **members)

    def create_endpoint_config(self, *, endpoint_config_name: str, **members: Any) -> Any:
        """Make an endpoint configuration whose name is new."""
        members["endpoint_config_name"] = endpoint_config_name
        return self._create_new("create_endpoint_config", "endpoint_configs", "endpoint configuration", **members)

    def create_endpoint(self, *, endpoint_name: str, **members: Any) -> Any:
        """Make an endpoint whose name is new."""
        return self._create_new("create_endpoint", "endpoints", "endpoint", endpoint_name=endpoint_name, **members)

    def create_experiment(self, *, experiment_name: str) -> Any:
        """Make an experiment whose name is new."""
        return self._create_new("create_experiment", "experiments", "experiment", experiment_name=experiment_name)

    def create_model_package_group(self, *, model_package_group_name: str, **members: Any) -> Any:
        """Make a group of packages whose name is new."""
        members = {"model_package_group_name": model_package_group_name, **members}
        return self._create_new("create_model_package_group", "model_package_groups", "model package group", **members)

    def create_model_package(self, *, client_token: str | None = None, **members: Any) -> Any:
        """Make a package, or return the one that this token made.

        Raises
        ------
        ConflictException
            When the token came before with another request.
        """
        create: Any = super().create_model_package  # type: ignore[misc]
        if not client_token:
            return create(client_token=client_token, **members)
        digest = hashlib.sha256(json.dumps(members, sort_keys=True, default=str).encode()).hexdigest()
        with service_lock("sagemaker"):
            tokens: dict[str, tuple[str, Any]] = vars(self).setdefault("package_tokens", {})
            if client_token not in tokens:
                tokens[client_token] = (digest, create(client_token=client_token, **members))
            known, arn = tokens[client_token]
        if known != digest:
            raise ConflictException(f"The client token {client_token} was used with another request.")
        return arn

    def _create_new(self, create: str, records: str, what: str, **members: Any) -> Any:
        name = next(value for key, value in members.items() if key == f"{create.removeprefix('create_')}_name")
        with service_lock("sagemaker"):
            if name in getattr(self, records):
                raise AWSValidationException(f'Cannot create already existing {what} "{name}".')
            return getattr(super(), create)(**members)
