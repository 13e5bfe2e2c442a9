"""A stream whose lab is open: what the fixtures hand to the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from nfvcert.access import open_lab, take_down
from nfvcert.archive import Evidence
from nfvcert.errors import LabError
from nfvcert.facts import fingerprint, sources_by_host
from nfvcert.lab import StorageTarget
from nfvcert.measure.trial import TrafficPath, Trials
from nfvcert.presence import check
from nfvcert.protocols import Bmc, Cloud, CloudSession, Completed, LabAccess, Shell
from nfvcert.record import (
    CalibrationFacts,
    Event,
    GeneratorCalibrated,
    LabFingerprinted,
    PresenceChecked,
    StreamPlan,
)
from nfvcert.recorder import Progress

__all__ = ["OpenStream", "facts_of", "look_again"]


def facts_of(access: LabAccess, plan: StreamPlan) -> dict[str, dict[str, str]]:
    """The fingerprint of a stream's lab: host → fact → value. Raises LabError."""
    return fingerprint(access, sources_by_host(access, plan.fact_sources, plan.unit))


def look_again(plans: Iterable[StreamPlan], append: Callable[[Event], None], *, owner: int) -> None:
    """Take the fingerprint of a lab once more, for each of its streams: one that changed meanwhile is found so.

    Raises LabError for a lab that cannot be asked, or that is not there any more.
    """
    plans = list(plans)
    lab = plans[0].lab
    access = open_lab(lab, on_completed=lambda _: None, owner=owner, in_use=True)
    try:
        if access.created:  # an embedded lab is mended by making it anew: whatever it tells now, it was not tested
            take_down(lab)
            raise LabError(f"lab {lab.lab} was gone or broken after its last test", what=lab.lab)
        for plan in plans:
            append(LabFingerprinted(stream=plan.stream, fingerprint=facts_of(access, plan)))
    finally:
        access.close()


class OpenStream:
    """The way from a planned stream to its lab. ``evidence`` is where commands and trials are told of now."""

    def __init__(
        self, plan: StreamPlan, append: Callable[[Event], None], progress: Progress, owner: int, *, run: str
    ) -> None:
        self.plan = plan
        self.run = run
        """The run's id: what is made in the lab is named by it."""
        self.progress = progress
        self._owner = owner
        self._made_lab = False
        self.evidence: Evidence | None = None
        self._append = append
        self._access: LabAccess | None = None
        self._trials: Trials | None = None
        self.generator = ""
        """The traffic generator that was calibrated here, with its version; empty where none was."""

    @property
    def made_lab(self) -> bool:
        """Whether `open` made the lab, also when it failed later on."""
        return self._made_lab

    def open(self, *, first: bool, in_use: bool = False) -> None:
        """Bring the lab up; for the first time in a run, take its fingerprint. Raises LabError."""
        self._access = open_lab(self.plan.lab, on_completed=self._completed, owner=self._owner, in_use=in_use)
        self._made_lab = self._access.created
        if first:
            self._look(self._access)

    def _look(self, access: LabAccess) -> None:
        """Which lab is this, and is the release in it? Raises LabError for one that is not."""
        plan = self.plan
        found = facts_of(access, plan)
        self._append(LabFingerprinted(stream=plan.stream, fingerprint=found))
        if plan.unit is None:
            return
        rows = check(plan.unit, plan.lab, found, plan.fact_sources)
        self._append(PresenceChecked(stream=plan.stream, rows=rows))
        if absent := [row for row in rows if not row.present]:
            more = f" (and {len(absent) - 1} more, see the table)" if len(absent) > 1 else ""
            raise LabError(
                f"release {plan.unit.unit} is not in lab {plan.lab.lab}: {absent[0].why}{more}", what=absent[0].host
            )

    def close(self) -> None:
        """Close connections and generator. The lab stays up: others may use it."""
        access, self._access, self._trials = self._access, None, None
        if access is not None:
            access.close()

    def shell(self, host: str) -> Shell:
        """The shell of a host of the inventory."""
        if self._access is None:
            raise LabError(f"lab {self.plan.lab.lab} is closed", what=host)
        return self._access.shell(host)

    def bmc(self, host: str) -> Bmc:
        """The management controller of a host of the inventory."""
        if self._access is None:
            raise LabError(f"lab {self.plan.lab.lab} is closed", what=host)
        return self._access.bmc(host)

    def storage(self, host: str) -> Mapping[str, StorageTarget]:
        """The storage targets of a host, ready to be written over. Raises LabError."""
        if self._access is None:
            raise LabError(f"lab {self.plan.lab.lab} is closed", what=host)
        return self._access.storage(host)

    def cloud(self) -> Cloud:
        """The lab's cloud, which an embedded lab starts for the first test that asks for it. Raises LabError."""
        if self._access is None:
            raise LabError(f"lab {self.plan.lab.lab} is closed", what="cloud")
        return self._access.cloud(lambda what: self.progress(0.0, 0.0, what))

    def cloud_session(self, label: str) -> CloudSession:
        """What one test, or one module, does in the cloud; whoever asks for it closes it. Raises LabError."""
        return self.cloud().session(self.run, label, ready_s=self.plan.parameters.api_ready_seconds)

    @property
    def trials(self) -> Trials:
        """Valid trials on the generator, which is self-tested for the first of them.

        Raises LabError where the lab has none, or one that fails.
        """
        if self._trials is None:
            if self._access is None:
                raise LabError(f"lab {self.plan.lab.lab} is closed", what="traffic")
            self._trials = self._calibrated(self._access)
        return self._trials

    def _calibrated(self, access: LabAccess) -> Trials:
        generator = access.generator()
        found = generator.calibrate()
        self.generator = found.generator
        facts = CalibrationFacts(
            generator=found.generator,
            ceiling_fps=dict(found.ceiling_fps),
            latency_p50_us=found.latency_p50_us,
            latency_p99_us=found.latency_p99_us,
            problems=found.problems,
        )
        self._append(GeneratorCalibrated(stream=self.plan.stream, calibration=facts))
        if found.problems:
            raise LabError(
                f"the traffic generator of lab {self.plan.lab.lab} fails its self-test: {'; '.join(found.problems)}",
                what="traffic generator",
            )
        return Trials(generator, found, TrafficPath.of(self.plan.lab), self._trial_done)

    def _completed(self, completed: Completed) -> None:
        self._note("command", vars(completed))

    def _trial_done(self, facts: Mapping[str, object]) -> None:
        self._note("trial", facts)

    def _note(self, kind: str, facts: Mapping[str, object]) -> None:
        if self.evidence is not None:
            self.evidence.add(kind, facts)
