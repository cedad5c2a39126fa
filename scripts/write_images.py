"""Write ratchet/compute/mxnet_images.json: the registry of AWS's MXNet image in each region, as `sagemaker` says."""

from __future__ import annotations

import json
import sys

from ratchet.compute.image import TABLE, VERSION, ask_package


def main() -> int:
    """Ask the package about every region it knows."""
    from sagemaker.core import image_uris

    config = image_uris.config_for_framework("mxnet")
    regions = sorted(config["training"]["versions"][VERSION]["registries"])
    table = {region: ask_package(region, "ml.m5.large").split("/", 1)[0] for region in regions}
    TABLE.write_text(json.dumps(table, indent=2) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
