"""The pytest plugin: options, markers, fixtures. It translates between pytest and nfvcert and decides nothing.

This module is imported by every pytest start in an environment that has nfvcert, so it imports
pytest alone; all else is loaded when ``--lab`` is given (`certification`).
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nfvcert.certification import Certification
    from nfvcert.lab import Lab
    from nfvcert.measure.trial import Trials
    from nfvcert.open_stream import OpenStream
    from nfvcert.protocols import Shell
    from nfvcert.recorder import KpiRecorder, Progress
    from nfvcert.testmodel import Parameters

MARKERS = (
    "compute: certifies the compute domain",
    "storage: certifies the storage domain",
    "network: certifies the network domain",
    "vim: certifies the virtualised infrastructure manager",
    "vnf: certifies virtualised network functions",
    "small: part of the scope of a small release (one component)",
    "medium: part of the scope of a medium release (several components of one domain)",
    "large: part of the scope of a large release (several domains)",
    "covers(*components): the components whose faults this test can find",
    "measures(*kpis): the KPIs that this test measures; it is INCONCLUSIVE when it passes without them",
    "needs(forwards='l2'|'l3'): the kind of device that this test is for",
    "expected_seconds(seconds): how long it takes where it never ran before",
)
CERTIFICATION: pytest.StashKey[Certification] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of the daily case."""
    group = parser.getgroup("nfvcert", "certification (nfvcert)")
    group.addoption(
        "--lab",
        action="append",
        default=[],
        metavar="NAME",
        help="certify this lab: a name in lab_inventory/ or the path of an inventory file (may be repeated)",
    )
    group.addoption(
        "--test-model",
        metavar="NAME",
        help="judge by this test model: a name in testmodels/ or a path (default: the one of the tests' domain)",
    )
    group.addoption("--reports", metavar="DIR", help="folder for results (default: reports/)")
    group.addoption(
        "--also",
        action="append",
        default=[],
        choices=("html", "allure"),
        help="write pytest-html's page or Allure's results into the run's folder too (may be repeated)",
    )
    parser.addini("nfvcert_inventory", "folders with lab inventories", type="paths", default=["lab_inventory"])
    parser.addini("nfvcert_testmodels", "folder with test models and the KPI catalogue", default="testmodels")
    parser.addini("nfvcert_reports", "folder for results", default="reports")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers, and with ``--lab`` the certification."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if config.getoption("lab"):
        from nfvcert.certification import Certification

        certification = Certification.begin(config)
        config.stash[CERTIFICATION] = certification
        config.pluginmanager.register(certification, "nfvcert-certification")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Certifying needs a lab: says so instead of running into missing fixtures."""
    config = session.config
    if config.getoption("lab") or config.option.collectonly:
        return
    if any("stream" in getattr(item, "fixturenames", ()) for item in session.items):
        from nfvcert.files import lab_files

        known = ", ".join(lab_files([config.rootpath / path for path in config.getini("nfvcert_inventory")]))
        raise pytest.UsageError(f"these tests certify a lab: name it with --lab=NAME (there are: {known or 'none'})")


@pytest.fixture(scope="session")
def stream(request: pytest.FixtureRequest) -> Iterator[OpenStream]:
    """The stream that the test belongs to; its lab is opened for the first test and closed after the last."""
    opened = request.config.stash[CERTIFICATION].open(request.param)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def lab(stream: OpenStream) -> Lab:
    """The lab under test, as its inventory declares it."""
    return stream.plan.lab


@pytest.fixture(scope="session")
def parameters(stream: OpenStream) -> Parameters:
    """The test model's parameters: durations, sizes, repetitions."""
    return stream.plan.parameters


@pytest.fixture(scope="session")
def shell(stream: OpenStream) -> Callable[[str], Shell]:
    """``shell(host)`` is the Shell of a host of the inventory."""
    return stream.shell


@pytest.fixture(scope="session")
def trials(stream: OpenStream) -> Trials:
    """Valid trials on the lab's calibrated traffic generator."""
    return stream.trials


@pytest.fixture
def kpi(request: pytest.FixtureRequest, stream: OpenStream) -> KpiRecorder:
    """Records KPIs of this test; the judge's verdict on them becomes the test's."""
    return request.config.stash[CERTIFICATION].recorder(request.node, stream)


@pytest.fixture
def progress(stream: OpenStream) -> Progress:
    """``progress(done, total, what)`` tells people how long a long test still takes."""
    return stream.progress
