"""What every added resource type shares: moto's three calls, told once, and what CloudFormation asks of a resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException


@dataclass(frozen=True)
class Place:
    """Where a resource is made, and what it is called there."""

    name: str
    account_id: str
    region_name: str


class AddedResource:
    """The part of a resource that CloudFormation looks at; a type says what to create, change and remove.

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

    @classmethod
    def create(cls, properties: dict[str, Any], place: Place) -> Self:
        """Make the resource by the call that the API makes."""
        raise NotImplementedError

    @classmethod
    def change(cls, properties: dict[str, Any], place: Place) -> Self:
        """Give it other properties; for most types that is making it again under its name."""
        return cls.create(properties, place)

    @classmethod
    def remove(cls, properties: dict[str, Any], place: Place) -> None:
        """Take it away."""
        raise NotImplementedError

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

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
    ) -> Self:
        """What moto calls to create."""
        return cls.create(properties_of(cloudformation_json), Place(resource_name, account_id, region_name))

    @classmethod
    def update_from_cloudformation_json(  # noqa: PLR0917 - the signature that moto calls
        cls,
        original_resource: AddedResource,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> Self:
        """What moto calls to update."""
        place = Place(original_resource.physical_id, account_id, region_name)
        return cls.change(properties_of(cloudformation_json), place)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str
    ) -> None:
        """What moto calls to delete."""
        cls.remove(properties_of(cloudformation_json), Place(resource_name, account_id, region_name))


def properties_of(cloudformation_json: Mapping[str, Any]) -> dict[str, Any]:
    """The resource's properties."""
    return dict(cloudformation_json.get("Properties", {}))
