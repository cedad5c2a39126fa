"""The script that an instance runs at its first boot: the training image with the agent in it, and then the end."""

from __future__ import annotations

import re
import shlex

from ratchet.compute.rented.fleet import Rental

_ECR = re.compile(r"^(?P<registry>[^/]+\.dkr\.ecr\.(?P<region>[^./]+)\.[^/]+)/")
_STOP_SECONDS = 120  # Docker's own ten are less than a last checkpoint takes
_SCRIPT = """#!/bin/bash
# Written by Ratchet for {job}. The image is a Deep Learning AMI: Docker, the driver, the AWS CLI.
(sleep {lifetime}; shutdown -h now) &
trap 'shutdown -h now' EXIT
{login}gpus=
nvidia-smi -L > /dev/null 2>&1 && gpus='--gpus all'
docker run --rm --network host --ipc host $gpus --stop-timeout {stop} --entrypoint /usr/bin/env \\
  -e AWS_REGION={region} -e AWS_DEFAULT_REGION={region} \\
  {image} {command}
"""
# A pull says by itself what a failed login was needed for; an image that is public, or there already, needs none.
_LOGIN = "aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {registry}\n"


def write_user_data(rental: Rental, region: str) -> str:
    """User data of a rental's instance."""
    found = _ECR.match(rental.image_uri)
    return _SCRIPT.format(
        job=rental.job,
        lifetime=rental.lifetime_seconds,
        login=_LOGIN.format(**found.groupdict()) if found else "",
        stop=_STOP_SECONDS,
        region=shlex.quote(region),
        image=shlex.quote(rental.image_uri),
        command=shlex.join(rental.command),
    )
