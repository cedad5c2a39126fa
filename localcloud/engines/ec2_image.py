"""Machine images that moto does not know: those of `runtimes.toml`, under AWS's public parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models.amis import Ami
from moto.ssm.models import Parameter, ParameterDict, ssm_backends

from localcloud.patch import change_classes
from localcloud.runtime import PublicImage, read_public_images

_PREFIX = "/aws/service/deeplearning/"
_OWNER = "898082745236"  # Amazon's account for deep learning images


def image_id(region: str, image: PublicImage) -> str:
    """Return the id of an image: the same at each start, another one in each region, as on AWS."""
    return f"ami-{hashlib.sha256(f'{region} {image.name}'.encode()).hexdigest()[:17]}"


def add_images(backend: Any) -> None:
    """List the table's images in a region."""
    for image in read_public_images():
        made = Ami(
            backend,
            image_id(backend.region_name, image),
            name=image.name,
            description=image.name,
            owner_id=_OWNER,
            owner_alias="amazon",
            public=True,
            virtualization_type="hvm",
            architecture="x86_64",
            root_device_type="ebs",
            hypervisor="xen",
            image_location=f"amazon/{image.name}",
        )
        backend.amis[made.id] = made


def resolve_image(backend: Any, image_id: str) -> str:
    """Return the id that a public parameter holds, for `resolve:ssm:<name>`; other ids as they are."""
    name = image_id.strip("{}").removeprefix("resolve:ssm:")
    if name == image_id:
        return image_id
    found = ssm_backends[backend.account_id][backend.region_name].get_parameters([name]).get(name)
    return str(found.value) if found is not None else image_id


def add_parameters() -> Callable[[], None]:
    """Make SSM answer the public parameters of the images; the returned function undoes it."""
    return change_classes([(ParameterDict, "_check_loading_status", _load_ours(ParameterDict._check_loading_status))])


def _load_ours(load: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    def check(self: Any, key: str) -> None:
        load(self, key)
        if str(key or "").startswith(_PREFIX) and not getattr(self, "deep_learning_loaded", False):
            self.deep_learning_loaded = True
            for image in read_public_images():
                dict.setdefault(self, image.parameter, [_parameter(self, image)])

    return check


def _parameter(parameters: Any, image: PublicImage) -> Parameter:
    return Parameter(
        account_id=parameters.account_id,
        name=image.parameter,
        value=image_id(parameters.region_name, image),
        parameter_type="String",
        description=None,
        allowed_pattern=None,
        keyid=None,
        last_modified_date=utcnow().timestamp(),
        version=1,
        data_type="aws:ec2:image",
    )
