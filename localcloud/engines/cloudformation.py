"""CloudFormation: adds the resource types and properties that moto lacks."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from moto.cloudformation.models import CloudFormationBackend
from moto.cloudformation.parsing import ResourceMap, get_model_list, get_model_map, get_name_type_map
from moto.dynamodb.models.table import Table
from moto.iam.models import Role
from moto.s3.models import FakeBucket

import localcloud.resources
from localcloud.engine import Engine, Host
from localcloud.engines.cloudformation_delete import delete_resources, keep_what_failed
from localcloud.patch import change_classes
from localcloud.resources import bucket, role, table


def engine() -> Engine:
    """Build the engine; found by this file's name."""
    return CloudFormationEngine()


class CloudFormationEngine:
    """Everything under `localcloud/resources`."""

    name = "cloudformation"

    def __init__(self) -> None:
        self._undo: Callable[[], None] | None = None

    def install(self, host: Host) -> None:
        """Import the added types, and complete those that moto has."""
        for module in pkgutil.iter_modules(localcloud.resources.__path__):
            importlib.import_module(f"localcloud.resources.{module.name}")
        for known in (get_model_list, get_model_map, get_name_type_map):
            known.cache_clear()  # moto looks for types once, perhaps before these were there
        new_bucket = bucket.complete(FakeBucket.create_from_cloudformation_json)
        changed_bucket = bucket.complete_update(FakeBucket.update_from_cloudformation_json)
        new_table = table.complete(Table.create_from_cloudformation_json)
        new_role = role.complete(Role.create_from_cloudformation_json)
        self._undo = change_classes(
            [
                (FakeBucket, "create_from_cloudformation_json", classmethod(new_bucket)),
                (FakeBucket, "update_from_cloudformation_json", classmethod(changed_bucket)),
                (FakeBucket, "delete_from_cloudformation_json", classmethod(bucket.delete_empty)),
                (FakeBucket, "get_permission", bucket.judge_without_tls(FakeBucket.get_permission)),
                (Table, "create_from_cloudformation_json", classmethod(new_table)),
                (Role, "create_from_cloudformation_json", classmethod(new_role)),
                (ResourceMap, "delete", delete_resources),
                (CloudFormationBackend, "delete_stack", keep_what_failed(CloudFormationBackend.delete_stack)),
                (ResourceMap, "__getitem__", _dependencies_first(ResourceMap.__getitem__)),
            ]
        )

    def resume(self) -> None:
        """Nothing runs here."""

    def close(self) -> None:
        """Take the completion back; the types stay known."""
        if self._undo is not None:
            self._undo()


def _dependencies_first(get: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Honour a resource's DependsOn also when it is made because another one refers to it; moto does not."""

    def getitem(self: Any, key: str) -> Any:
        definition = self._resource_json_map.get(key) if isinstance(self._resource_json_map, dict) else None
        if definition and key not in self._parsed_resources:
            wanted = definition.get("DependsOn", [])
            for dependency in [wanted] if isinstance(wanted, str) else wanted:
                self[dependency]
        return get(self, key)

    return getitem
