"""What every fault that can be seeded in an embedded lab has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from nfvcert.embedded.sites import Sites

__all__ = ["Fault"]


class Fault(ABC):
    """One fault: what it is called, how it gets into a lab that is up, and out again."""

    name: ClassVar[str]

    def check(self, sites: Sites) -> None:  # noqa: B027  # most labs can have most faults
        """Raises: LookupError for an unknown port or host; LabError when nothing in this lab could break so."""

    @abstractmethod
    def seed(self, sites: Sites) -> None:
        """Break the lab. Raises: LabError, MissingPackage."""

    def stop(self) -> None:  # noqa: B027  # most faults are nothing but what the lab has
        """End what is not in the lab, such as threads and processes; also where the lab is gone. Before `clear`."""

    @abstractmethod
    def clear(self, sites: Sites) -> None:
        """Mend the lab; right after a `seed` that failed halfway, too. Raises: LabError."""
