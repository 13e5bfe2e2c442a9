"""The rings of a new object store: which devices have which partitions, by the builder of swift-ring-builder.

    PYTHON rings.py WANTED.JSON

It runs in the cloud's own environment. WANTED.JSON: `folder`, where the rings go; `rings`, name → port of the server;
`devices`, their names; `address` of the servers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PART_POWER = 6
"""64 partitions: of so few devices each has enough to share them evenly."""


def _main(wanted: dict[str, Any]) -> None:
    from swift.common.ring.builder import RingBuilder

    for name, port in wanted["rings"].items():
        builder = RingBuilder(PART_POWER, len(wanted["devices"]), 1)
        for zone, device in enumerate(wanted["devices"], 1):
            place = {"ip": wanted["address"], "port": port, "device": device}
            builder.add_dev({"region": 1, "zone": zone, "weight": 100.0, **place})
        builder.rebalance(seed=1)
        builder.get_ring().save(str(Path(wanted["folder"]) / f"{name}.ring.gz"))


if __name__ == "__main__":
    _main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
