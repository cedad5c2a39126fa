"""AWS::IAM::Role: moto's CloudFormation keeps inline policies in a form that its own API cannot give back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.models import Role

Create = Callable[..., Role]


def complete(create: Create) -> Create:
    """Wrap moto's creation of a role so that its inline policies are JSON, as the API puts them."""

    def create_whole(  # noqa: PLR0917 - the signature that moto calls
        cls: type, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **kw: Any
    ) -> Role:
        role = create(resource_name, cloudformation_json, account_id, region_name, **kw)
        for name, document in list(role.policies.items()):
            if not isinstance(document, str):
                role.put_policy(name, json.dumps(document, default=str))  # YAML makes a date of a policy's version
        return role

    return create_whole
