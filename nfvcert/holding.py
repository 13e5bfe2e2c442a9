"""What a run holds of labs, and of what labs share: leases that other runs respect, and labs that it made.

A lab is held from its first test to its last; what it shares with others (this machine's processors, under
measurement) is held for each test, as the test needs it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from nfvcert.access import take_down
from nfvcert.claims import Need
from nfvcert.errors import StorageError
from nfvcert.lab import Lab
from nfvcert.leases import Holder, LeaseBook, lease_of
from nfvcert.record import Event, LeaseLogged

__all__ = ["Holdings", "waiting_text"]


class Holdings:
    """Made by the controller before it forks; only the controller takes and gives back."""

    def __init__(self, run: str, keep: Callable[[Event], None], labs: Iterable[Lab]) -> None:
        """Raises UsageError, LabError for a place of leases that cannot be used."""
        self._keep = keep
        self._books = {
            url: LeaseBook(run=run, reason="certification", url=url) for url in {None, *(lab.leases for lab in labs)}
        }
        self._labs: dict[str, Lab] = {}
        """Held now."""
        self._made: dict[str, Lab] = {}
        self._lost: set[str] = set()
        """Leases that were lost, and nobody was told yet."""
        self._users: Counter[str] = Counter()
        """Resource that labs share → tests that use it now."""
        self.waiting: dict[str, Holder] = {}
        """Resource → who has it, of all that this run waits for."""

    def take(self, lab: Lab, needs: Iterable[Need]) -> str:
        """Take what a test needs: empty when the run has it all now, else the resource that somebody else has.

        Raises LabError when the place of leases is out of reach for too long.
        """
        if lab.lab not in self._labs:
            if not self._taken(lab, lab.lab, shared=False):
                return lab.lab
            self._labs[lab.lab] = lab
            _free_of_others(lab)
        taken: list[str] = []
        for need in sorted(needs, key=lambda need: need.resource):  # else two runs could wait for each other
            if need.resource in lab.shared:
                if not self._users[need.resource] and not self._taken(lab, need.resource, need.how == "shared"):
                    for resource in taken:
                        self._return(resource)
                    return need.resource
                self._users[need.resource] += 1
                taken.append(need.resource)
        return ""

    def give_back(self, lab: Lab, needs: Iterable[Need]) -> None:
        """A test of the lab ended, for which `take` had taken them."""
        for need in needs:
            if need.resource in lab.shared:
                self._return(need.resource)

    def wanted(self) -> set[str]:
        """Shared resources that another run waits to have for itself: no further test should begin to share them."""
        return {
            resource
            for resource, users in self._users.items()
            if users and self._books[None].wanted_by(lease_of(resource))
        }

    def made(self, lab: Lab) -> None:
        """This run brought the lab up."""
        self._made[lab.lab] = lab

    def take_down(self, lab: Lab) -> None:
        """Undo that, if it did; not where its lease was lost, and it is another's. Raises LabError."""
        if lab.lab in self._labs and lab.lab in self._made:
            del self._made[lab.lab]
            take_down(lab)

    def done_with(self, lab: Lab) -> None:
        """No test needs the lab any more. Raises LabError when it cannot be taken down."""
        if lab.lab not in self._labs and lab.lab in self._made:  # its lease was lost: somebody else may be in it
            if not self._taken(lab, lab.lab, shared=False):
                self._book(lab).release(lease_of(lab))
                del self._made[lab.lab]
                return
            self._labs[lab.lab] = lab
        try:
            self.take_down(lab)
        finally:
            if self._labs.pop(lab.lab, None):
                self._book(lab).release(lease_of(lab))
                self._log("released", lab.lab)

    def renew(self, *, now: bool = False) -> None:
        """Renew what is due. Writes nothing, so that it can be done by another thread while `lost` is not called."""
        for book in self._books.values():
            self._lost.update(book.heartbeat(now=now))

    def lost(self, *, now: bool = False) -> tuple[str, ...]:
        """Renew what is due, or ``now`` everything; the labs whose lease is lost. Call it often."""
        self.renew(now=now)
        lost = tuple(name for name, lab in self._labs.items() if lease_of(lab) in self._lost)
        self._lost.clear()
        for name in lost:
            del self._labs[name]
            self._log("lost", name)
        return lost

    def close(self) -> None:
        """Take down what is still up, and give everything back. Raises LabError when a lab cannot be taken down."""
        try:
            for lab in [*self._labs.values(), *self._made.values()]:
                self.done_with(lab)
        finally:
            for book in self._books.values():
                book.close()

    def _taken(self, lab: Lab, name: str, shared: bool) -> bool:
        thing = lab if name == lab.lab else name
        holder = self._book(thing).try_acquire(lease_of(thing), shared=shared)
        if holder is None:
            self.waiting.pop(name, None)
            self._log("taken", name, "shared" if shared else "exclusive")
            return True
        if name not in self.waiting or not self.waiting[name].is_same(holder):
            self.waiting[name] = holder
            self._log("waiting", name, "shared" if shared else "exclusive", str(holder))
        return False

    def _book(self, thing: Lab | str) -> LeaseBook:
        """Where a lease is kept: an embedded lab's, and what labs share, on this machine."""
        return self._books[thing.leases if isinstance(thing, Lab) and thing.provider == "existing" else None]

    def _return(self, resource: str) -> None:
        self._users[resource] -= 1
        if not self._users[resource]:
            self._book(resource).release(lease_of(resource))
            self._log("released", resource)

    def _log(
        self,
        what: Literal["taken", "released", "waiting", "lost"],
        resource: str,
        how: Literal["shared", "exclusive"] = "exclusive",
        holder: str = "",
    ) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with suppress(StorageError):  # a full disk is told of by the results; what is held is given back all the same
            self._keep(LeaseLogged(at=now, resource=resource, what=what, how=how, holder=holder))


def _free_of_others(lab: Lab) -> None:
    """Whose lease was taken away by force may still be in the lab: it is made anew for who has the lease now."""
    if lab.provider == "embedded":
        from nfvcert.embedded.rundir import read_state, run_root

        state = read_state(run_root() / lab.lab)
        if state and state.owner and state.owner.pid != os.getpid() and state.owner.alive:
            take_down(lab)


def waiting_text(lab: Lab, resource: str, holder: Holder) -> str:
    """What a person is told who waits."""
    what = f"lab {lab.lab}" if resource == lab.lab else f"{resource}, which lab {lab.lab} shares with others"
    return f"waiting for {what}: held by {holder}"
