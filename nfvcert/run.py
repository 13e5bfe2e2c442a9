"""A run that goes on: its folder, its plans, what broke. Shared by all that act during it, and the way to disk."""

from __future__ import annotations

import os

import pytest

from nfvcert.archive import Archive
from nfvcert.console import Console
from nfvcert.errors import Blame, LabError, NfvcertError, StorageError
from nfvcert.judge import Finding, Verdict
from nfvcert.lab import Lab
from nfvcert.open_stream import look_again
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
        self.seen: set[str] = set()
        """Streams of whose lab the fingerprint was taken, and not yet once more at the end."""
        self.broken: dict[str, str] = {}
        """Stream → why its other tests are not run into the same wall."""
        self.storage: NfvcertError | None = None
        """Why nothing more can be kept."""
        self.interrupted = False

    def look_again(self, lab: Lab) -> None:
        """No test needs the lab any more: is it still the one that was tested? Once for each stream."""
        streams = [name for name in self.streams_in(lab.lab) if name in self.seen and name not in self.broken]
        self.seen.difference_update(streams)
        if not streams:
            return
        try:
            try:
                look_again([self.plans[name] for name in streams], self.keep, owner=os.getpid())
            except LabError as error:
                for name in streams:
                    self.trouble(f"lab {lab.lab}", f"it cannot be asked any more: {error.sentence}", "lab", stream=name)
        except StorageError as error:
            self.storage = self.storage or error

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
