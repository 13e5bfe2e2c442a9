# ruff: noqa: INP001 - no part of our package
"""Where Swift's programs find swift.conf: its servers can be told, its daemons would only look in /etc/swift."""

import os

from swift.common.utils import set_swift_dir

__all__ = ["install"]


def install() -> None:
    """Read $SWIFT_DIR/swift.conf, before a program is forked."""
    set_swift_dir(os.environ["SWIFT_DIR"])
