"""Whether a caller's IAM policies grant a permission, as moto's evaluation has it.

Not looked at: conditions (those of an Allow are taken as met, a Deny with conditions is passed over), permission
boundaries, session policies, policies of resources and of organisations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.iam.models import iam_backends

from localcloud.permission import Permission
from localcloud.principal import Principal

_ALWAYS = frozenset({"sts:GetCallerIdentity"})
_PARTITION = "aws"


def grants(principal: Principal, permission: Permission) -> bool:
    """Whether a caller has a permission; the root has every one."""
    if principal.is_root or permission.action in _ALWAYS:
        return True
    found = {_judge(statement, permission) for statement in statements_of(principal)}
    return PermissionResult.PERMITTED in found and PermissionResult.DENIED not in found


def statements_of(principal: Principal) -> Iterator[dict[str, Any]]:
    """Yield every statement of the policies of a user or a role."""
    for document in _documents(iam_backends[principal.account][_PARTITION], principal):
        content = json.loads(document) if isinstance(document, str) else document
        found = content["Statement"]
        yield from found if isinstance(found, list) else [found]


def _judge(statement: dict[str, Any], permission: Permission) -> PermissionResult:
    if statement["Effect"] == "Deny" and "Condition" in statement:
        return PermissionResult.NEUTRAL
    told = {name: value for name, value in statement.items() if name != "Condition"}
    if permission.resource is None and statement["Effect"] == "Allow":
        told["Resource"] = "*"
    return IAMPolicyStatement(told).is_action_permitted(permission.action, permission.resource or "*")


def _documents(backend: Any, principal: Principal) -> Iterator[Any]:
    if principal.role:
        yield from _of_role(backend, principal.role)
    else:
        yield from _of_user(backend, principal.user)


def _of_role(backend: Any, name: str) -> Iterator[Any]:
    role = next((role for role in list(backend.roles.values()) if role.name == name), None)
    if role is None:
        return
    yield from list(role.policies.values())
    yield from map(_default_version, list(role.managed_policies.values()))


def _of_user(backend: Any, name: str) -> Iterator[Any]:
    for policy in backend.list_user_policies(name):
        yield backend.get_user_policy(name, policy)["policy_document"]
    yield from map(_default_version, backend.list_attached_user_policies(name)[0])
    for group in backend.get_groups_for_user(name):
        for policy in backend.list_group_policies(group.name):
            yield backend.get_group_policy(group.name, policy)["policy_document"]
        yield from map(_default_version, backend.list_attached_group_policies(group.name)[0])


def _default_version(policy: Any) -> Any:
    return next(version.document for version in policy.versions if version.is_default)
