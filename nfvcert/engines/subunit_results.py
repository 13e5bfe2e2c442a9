"""What a subunit stream tells of each test, as JSON lines: ``python subunit_results.py STREAM``.

Runs in tempest's own environment, whose libraries read the stream. So it imports nothing of nfvcert.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(path: Path) -> None:
    """Print one line for each test that the stream names, also for those without an end."""
    from subunit import ByteStreamToStreamResult  # type: ignore[import-not-found,unused-ignore]
    from testtools import StreamToDict  # type: ignore[import-not-found,unused-ignore]

    result = StreamToDict(_tell)
    result.startTestRun()
    with path.open("rb") as stream:
        ByteStreamToStreamResult(stream, non_subunit_name="stdout").run(result)
    result.stopTestRun()


def _tell(test: dict[str, Any]) -> None:
    began, ended = test["timestamps"]
    details = {name: content.as_text() for name, content in test["details"].items() if _is_said(name, content)}
    said = details.pop("traceback", "") or details.pop("reason", "") or "\n".join(details.values())
    seconds = (ended - began).total_seconds() if began and ended else 0.0
    line = {"name": test["id"] or "", "status": test["status"], "seconds": max(0.0, seconds), "said": said[-20_000:]}
    print(json.dumps(line))  # noqa: T201 - this is its output


def _is_said(name: str, content: Any) -> bool:
    return content.content_type.type == "text" and "log" not in name


if __name__ == "__main__":
    main(Path(sys.argv[1]))
