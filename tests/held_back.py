"""A test that failed while a hypervisor held this machine back is run again: what failed may have been the machine.

What nfvcert measures on such a machine is INCONCLUSIVE, as it must be, and a test that expects another verdict fails.
Run again is a test only for this reason; each time is told at the end of the run.
"""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from nfvcert.drivers.traffic.machine import read_machine, strain

AGAIN = 2
REST_S = 30
"""A machine that is held back while it is busy may be given back after some time of rest."""
_STOLEN_SHARE = 0.1
"""In some second of the test: a quiet machine has less than a twentieth of that."""


class HeldBack:
    """Looks each second how much of the processors' time a hypervisor takes away."""

    def __init__(self) -> None:
        self.most = 0.0
        """The largest share in a second since the test began."""
        self._ended = threading.Event()
        threading.Thread(target=self._look, daemon=True, name="held-back").start()

    def _look(self) -> None:
        before = read_machine()
        while not self._ended.wait(1.0):
            now = read_machine()
            self.most = max(self.most, strain(before, now)["stolen"])
            before = now

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Each test may be run again."""
        again = pytest.mark.flaky(reruns=AGAIN, reruns_delay=REST_S, condition=lambda: self.most > _STOLEN_SHARE)
        for item in items:
            item.add_marker(again)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        """Each run of a test counts for itself."""
        self.most = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A failure tells it."""
        report = yield
        if report.failed and self.most > _STOLEN_SHARE:
            report.sections.append(("machine", f"its hypervisor took up to {self.most:.0%} of its processors away"))
        return report

    def pytest_unconfigure(self) -> None:
        """The end of the run."""
        self._ended.set()
