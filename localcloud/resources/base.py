"""What every added resource type shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException


class AddedResource:
    """The part of a resource that CloudFormation looks at.

    Parameters
    ----------
    physical_id
        What `Ref` gives.
    attributes
        What `GetAtt` gives, by name.
    """

    attribute_names: tuple[str, ...] = ()

    def __init__(self, physical_id: str, attributes: Mapping[str, str] | None = None) -> None:
        self.physical_id = physical_id
        self.attributes = dict(attributes or {})

    @property
    def physical_resource_id(self) -> str:
        """What `Ref` gives."""
        return self.physical_id

    @staticmethod
    def cloudformation_name_type() -> str:
        """The property that names the resource; empty where there is none."""
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Whether `GetAtt` knows an attribute."""
        return attr in cls.attribute_names

    def get_cfn_attribute(self, attribute_name: str) -> str:
        """Value of an attribute."""
        if attribute_name not in self.attributes:
            raise UnformattedGetAttTemplateException
        return self.attributes[attribute_name]

    def is_created(self) -> bool:
        """The API call that made it has returned."""
        return True


def properties_of(cloudformation_json: Mapping[str, Any]) -> dict[str, Any]:
    """The resource's properties."""
    return dict(cloudformation_json.get("Properties", {}))
