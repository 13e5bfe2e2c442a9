"""A run that goes on: its folder, its plans, what broke. Shared by all that act during it, and the way to disk."""

from __future__ import annotations

import pytest

from nfvcert.archive import Archive
from nfvcert.console import Console
from nfvcert.errors import Blame, NfvcertError, StorageError
from nfvcert.judge import Finding, Verdict
from nfvcert.record import Event, StreamPlan, TestFinished, Trouble

__all__ = ["EXIT_INCONCLUSIVE", "Run"]

EXIT_INCONCLUSIVE = 10
"""Exit status of a run that neither accepts nor rejects; 0 accepted, 1 rejected, 2-5 are pytest's own."""


class Run:
    """The state of a run. Workers have a copy each; what they learn reaches the controller by messages."""

    def __init__(self, config: pytest.Config, archive: Archive) -> None:
        self.config = config
        self.archive = archive
        self.console = Console(config)
        self.plans: dict[str, StreamPlan] = {}
        self.broken: dict[str, str] = {}
        """Stream → why its other tests are not run into the same wall."""
        self.storage: NfvcertError | None = None
        """Why nothing more can be kept."""
        self.interrupted = False

    def streams_in(self, lab: str) -> list[str]:
        """The streams of one lab."""
        return [name for name, plan in self.plans.items() if plan.lab.lab == lab]

    def keep(self, event: Event, *, durable: bool = True) -> None:
        """Put an event on disk. Raises StorageError."""
        self.archive.append(event, durable=durable)

    def keep_result(self, event: TestFinished) -> None:
        """On a full disk the space set aside is given back: for this result, the record and the report."""
        if self.storage is None:
            try:
                self.keep(event)
            except StorageError as error:
                self.storage = error
            else:
                return
        self.archive.free_reserve()
        try:
            self.keep(event)
        except StorageError as error:
            self.storage = error

    def trouble(self, subject: str, sentence: str, blame: Blame, stream: str | None = None) -> None:
        """Something went wrong outside of any test: nothing of the stream, or of any, can be ACCEPTED."""
        finding = Finding(verdict=Verdict.INCONCLUSIVE, subject=subject, sentence=sentence, blame=blame)
        self.keep(Trouble(stream=stream, finding=finding))
