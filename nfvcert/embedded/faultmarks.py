"""Marks of the faults that are seeded in a lab, so that no later run takes a broken lab for a whole one."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from nfvcert.embedded.rundir import Process
from nfvcert.errors import LabError

__all__ = ["mark", "marks", "unmark"]


def mark(folder: Path, name: str) -> None:
    """Note that this process is about to seed the fault. Raises: LabError when it is seeded already."""
    (folder / "faults").mkdir(mode=0o700, exist_ok=True)
    process = Process.of(os.getpid())
    assert process is not None  # it runs this line
    try:
        with (folder / "faults" / name).open("x", encoding="ascii") as file:
            file.write(process.model_dump_json())
    except FileExistsError:
        raise LabError(f"fault {name} is seeded in lab {folder.name} already", what=name) from None


def unmark(folder: Path, name: str) -> None:
    """Note that the fault is cleared."""
    (folder / "faults" / name).unlink(missing_ok=True)


def marks(folder: Path) -> dict[str, Process]:
    """The faults that are seeded, and the process that did it."""
    found = {}
    for path in sorted((folder / "faults").glob("*")):
        try:
            found[path.name] = Process.model_validate_json(path.read_bytes())
        except ValidationError:  # killed while it wrote: nobody knows whether the fault is there
            found[path.name] = Process(pid=0, started=0)
    return found
