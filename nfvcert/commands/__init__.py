"""The commands of `nfvcert`, one module a noun; each adds its own to the parser with ``add(commands)``.

They import what they need when they run, so that `nfvcert --help` is there at once.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

__all__ = ["Commands", "say"]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse has no public name of it


def say(text: str) -> None:
    """Print a line on standard output."""
    print(text)  # noqa: T201 - a command talks
