"""What can go wrong, and who is to blame.

    NfvcertError
    ├── UsageError              the command line asks for what cannot be           blame: usage
    │   └── FileError           a file that a person wrote is wrong: file, line, key
    ├── LabError                the lab is at fault; its stream ends INCONCLUSIVE   blame: lab
    │   ├── Unreachable         a host, a generator or a service does not answer
    │   ├── HostKeyMismatch     the host answers with another key than the known one
    │   ├── CommandTimeout      a command on a host did not end within its deadline
    │   ├── CommandFailed       a command on a host ended with a status that it must not have
    │   ├── MissingPackage      this machine lacks a program that the lab needs
    │   ├── NotPermitted        this user may not do what the lab needs
    │   ├── InvalidMeasurement  one measurement cannot be trusted; the lab goes on
    │   └── Undeclared          the inventory, or the lab, lacks what one test needs; the lab goes on
    ├── SuiteError              a suite misuses nfvcert (a KPI in no catalogue)     blame: suite
    │   └── Hung                a test did not end within its time limit
    └── StorageError            results cannot be written; nothing more may run     blame: storage

Only a criterion or an assertion on the system under test may FAIL a release (`CriterionFailed`, `ApiFault`,
`DeviceFault`, AssertionErrors, blame: release). Everything above is INCONCLUSIVE at best.
Data are attributes, the sentence is ``str(error)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

__all__ = [
    "ApiFault",
    "Blame",
    "CommandFailed",
    "CommandTimeout",
    "CriterionFailed",
    "DeviceFault",
    "FileError",
    "HostKeyMismatch",
    "Hung",
    "InvalidMeasurement",
    "LabError",
    "MissingPackage",
    "NfvcertError",
    "NotPermitted",
    "StorageError",
    "SuiteError",
    "Undeclared",
    "Unreachable",
    "UsageError",
]

Blame = Literal["release", "lab", "suite", "usage", "storage", "nfvcert"]


class NfvcertError(Exception):
    """Any error that nfvcert explains in a sentence of its own.

    ``hint`` says what a person can do about it; it is printed below the sentence.
    """

    blame: ClassVar[Blame] = "nfvcert"
    exit_code: ClassVar[int] = 3

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sentence}\n  {self.hint}" if self.hint else self.sentence


class UsageError(NfvcertError):
    """The command line, or a combination of its options, asks for what cannot be."""

    blame = "usage"
    exit_code = 4


class FileError(UsageError):
    """A file written by a person is wrong.

    Attributes: ``path``; ``line`` (1-based, 0 when the whole file is meant); ``key`` (dotted,
    ``hosts.compute-1.roles[0]``); ``found`` and ``expected`` in words.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        line: int = 0,
        key: str = "",
        found: str = "",
        expected: str = "",
        problem: str = "",
        hint: str = "",
    ) -> None:
        self.path = Path(path)
        self.line = line
        self.key = key
        self.found = found
        self.expected = expected
        self.problem = problem
        where = f"{path}:{line}" if line else f"{path}"
        parts = [where]
        if key:
            parts.append(key)
        said = problem
        if found:
            said = f"{said + '; ' if said else ''}found {found}"
        if expected:
            said = f"{said + ', ' if said else ''}expected {expected}"
        parts.append(said or "cannot be used")
        super().__init__(": ".join(parts), hint=hint)


class LabError(NfvcertError):
    """The lab is at fault, not the release. ``lab`` names it, ``what`` names the part."""

    blame = "lab"
    exit_code = 10
    ends_stream: ClassVar[bool] = True
    """Whether later tests of the stream would run into the same wall."""

    def __init__(self, sentence: str, *, what: str = "", hint: str = "") -> None:
        super().__init__(sentence, hint=hint)
        self.what = what


class Unreachable(LabError):
    """A host, a generator or a service of the lab does not answer."""


class HostKeyMismatch(LabError):
    """A host answers with an SSH key that is not the known one."""


class CommandTimeout(LabError):
    """A command on a host of the lab did not end within its deadline."""


class CommandFailed(LabError):
    """A command on a host of the lab ended with a status that it must not have."""


class MissingPackage(LabError):
    """This machine lacks a program that the lab needs; ``hint`` is the command that installs it."""


class NotPermitted(LabError):
    """This user may not do what the lab needs; ``hint`` says how to get it."""


class InvalidMeasurement(LabError):
    """One measurement cannot be trusted (the generator could not send, a socket overflowed).

    The stream goes on: other measurements may be valid.
    """

    ends_stream = False


class DeviceSuspected(InvalidMeasurement):
    """What made a measurement invalid may have been the device's doing, such as damaged frames: never made up for."""


class Undeclared(LabError):
    """The inventory does not tell what a test needs, or the lab is too small for it.

    The stream goes on: other tests do without.
    """

    ends_stream = False


class NotRun(InvalidMeasurement):
    """Something that is required did not run, so nothing is known of it."""


class EngineError(InvalidMeasurement):
    """A foreign suite could not be run to its end: its environment, its configuration, a crash."""


class SuiteError(NfvcertError):
    """A suite uses nfvcert wrongly: an undeclared KPI, a value that is no number."""

    blame = "suite"


class Hung(SuiteError):
    """A test did not end within its time limit and was broken off; that says nothing about the release."""


class StorageError(NfvcertError):
    """Results cannot be written. Nothing more may run, since nothing more could be kept."""

    blame = "storage"
    exit_code = 10


class CriterionFailed(AssertionError):
    """The system under test missed a required bound: with those below, the only error that blames the release."""


class ApiFault(CriterionFailed):
    """An API under test answered with an error, with something wrong, or not in time."""


class DeviceFault(CriterionFailed):
    """A storage device under test failed an operation, gave back something else, or did not end it in time."""
