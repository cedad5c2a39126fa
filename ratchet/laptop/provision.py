"""Create the stack on whatever AWS this process talks to: `python -m ratchet.laptop.provision --service-port 8090`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ratchet.aws import Aws, connect, translate_errors
from ratchet.errors import NotFoundError, RatchetError, UnavailableError
from ratchet.laptop.home import ROOT
from ratchet.laptop.process import poll_until
from ratchet.settings import load_settings

_LIMIT_SECONDS = 60.0
_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


def create_stack(region: str, *, service_port: int, tell: Callable[[str], None]) -> None:
    """Create the stack `ratchet` from the one template in the default network, or find it created.

    Raises
    ------
    NotFoundError
        When it was not created; the message has CloudFormation's reason.
    """
    aws = connect(region)
    client = aws.client("cloudformation")
    with translate_errors("look for the stack"):
        try:
            client.describe_stacks(StackName="ratchet")
        except client.exceptions.ClientError as error:
            if "does not exist" not in str(error):
                raise
            tell("creating the stack from infra/ratchet.yaml")
            _create(client, aws, service_port)
        _wait(client)


def _create(client: Any, aws: Aws, service_port: int) -> None:
    vpc, subnets = _default_network(aws)
    parameters = {
        "ListenerPort": str(service_port),
        "FunctionUrlAuth": "NONE",
        "FetchAllowedHosts": "",
        "VpcId": vpc,
        "SubnetIds": ",".join(subnets),
    }
    client.create_stack(
        StackName="ratchet",
        TemplateBody=(ROOT / "infra" / "ratchet.yaml").read_text("utf-8"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        ClientRequestToken="ratchet-up",
    )


def _wait(client: Any) -> None:
    for _ in poll_until(_LIMIT_SECONDS):
        stack = client.describe_stacks(StackName="ratchet")["Stacks"][0]
        if stack["StackStatus"] in _DONE:
            return
        if "FAILED" in stack["StackStatus"] or "ROLLBACK" in stack["StackStatus"]:
            reason = stack.get("StackStatusReason", "no reason given")
            raise NotFoundError(f"the stack was not created ({stack['StackStatus']}): {reason}")
    raise UnavailableError(f"the stack was not created within {_LIMIT_SECONDS:.0f} s")


def _default_network(aws: Aws) -> tuple[str, list[str]]:
    client = aws.client("ec2")
    vpc = client.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = client.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    return vpc, [subnet["SubnetId"] for subnet in subnets[:2]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Create the stack; 1 when that is not possible."""
    parser = argparse.ArgumentParser(prog="ratchet.laptop.provision", description=__doc__)
    parser.add_argument("--service-port", type=int, default=8090, help="port of the load balancer")
    options = parser.parse_args(arguments)
    try:
        create_stack(load_settings().region, service_port=options.service_port, tell=lambda line: print(line))
    except RatchetError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
