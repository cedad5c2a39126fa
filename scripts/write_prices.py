"""Write ratchet/compute/prices.json anew from AWS's Price List: needs credentials that may call pricing:GetProducts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ratchet.compute.cost import TABLE

_SERVICES = {
    "AmazonSageMaker": {"component": "Training"},
    "AmazonEC2": {"operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"},
}
_PRICE_LIST_REGION = "us-east-1"  # where the Price List answers


def main() -> int:
    """Ask for every region that the table holds, or those that are named."""
    table = json.loads(TABLE.read_text("utf-8"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("regions", nargs="*", default=sorted(table["regions"]), help="regions to ask for")
    options = parser.parse_args()
    machines = {name for prices in table["regions"].values() for name in prices}
    for region in options.regions:
        sys.stderr.write(f"asking for {region}\n")
        prices = dict(sorted(read_prices(region, machines)))
        if not prices:
            sys.stderr.write(f"the Price List names no price in {region}: nothing is written\n")
            return 1
        table["regions"][region] = prices
    table["as_of"] = datetime.now(UTC).date().isoformat()
    TABLE.write_text(json.dumps(table, indent=2) + "\n", "utf-8")
    return 0


def read_prices(region: str, machines: set[str]) -> Iterator[tuple[str, float]]:
    """Machine and USD an hour, of the machines that the table knows."""
    import boto3

    client = boto3.client("pricing", region_name=_PRICE_LIST_REGION)
    for service, wanted in _SERVICES.items():
        terms = {"regionCode": region, **wanted}
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in terms.items()]
        for page in client.get_paginator("get_products").paginate(ServiceCode=service, Filters=filters):
            for raw in page["PriceList"]:
                machine, usd = read_product(json.loads(raw))
                if machine in machines and usd:
                    yield machine, usd


def read_product(product: dict[str, Any]) -> tuple[str, float]:
    """Machine and on-demand USD an hour of one product of the Price List; 0 when it has no such price."""
    attributes = product["product"]["attributes"]
    machine = str(attributes.get("instanceName") or attributes.get("instanceType") or "")
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term["priceDimensions"].values():
            if dimension["unit"] in ("Hrs", "Hours"):
                return machine, float(dimension["pricePerUnit"].get("USD", 0))
    return machine, 0.0


if __name__ == "__main__":
    sys.exit(main())
