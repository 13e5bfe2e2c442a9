"""The pytest plugin: options, markers, fixtures. It translates between pytest and nfvcert and decides nothing.

This module is imported by every pytest start in an environment that has nfvcert, so it imports
pytest alone; all else is loaded when ``--lab`` is given (`certification`).
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nfvcert.attempts import Attempts
    from nfvcert.certification import Certification
    from nfvcert.lab import Lab, StorageTarget
    from nfvcert.measure.trial import Trials
    from nfvcert.open_stream import OpenStream
    from nfvcert.protocols import Bmc, CloudSession, Shell
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
    "needs(*kinds): what a lab must be or have for this test: 'l2', 'l3', 'cloud', 'object-store', 'guests', …",
    "expected_seconds(seconds, at_most=''): how long where it never ran before, and which parameter bounds it",
    "claims(kind, exclusive=False, every=False, amount=0, **capabilities): what the test needs of the lab",
    "destructive: it may destroy what is in the lab; it has the lab to itself, and never begins twice by itself",
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
        "--release",
        action="append",
        default=[],
        metavar="UNIT",
        help="certify this release unit in each lab: a name in releases/ or the path of a file (may be repeated)",
    )
    group.addoption("--campaign", metavar="FILE", help="certify the streams that a campaign file names")
    group.addoption(
        "--resume",
        metavar="RUN",
        help="go on with a run that ended before its time (its folder, its id, or latest): run what is missing",
    )
    group.addoption(
        "--plan",
        nargs="?",
        const="-",
        metavar="FILE",
        help="run nothing, show the plan; or write it to FILE, as .json or .html",
    )
    group.addoption(
        "--allow-destructive", action="store_true", help="let tests run that may destroy what is in the lab"
    )
    group.addoption(
        "--test-model",
        metavar="NAME",
        help="judge by this test model: a name in testmodels/ or a path (default: the one of the tests' domain)",
    )
    group.addoption(
        "--history",
        metavar="DIR",
        help="folder of earlier runs that criteria compare with (default: the folder for results)",
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
    parser.addini("nfvcert_releases", "folders with release units", type="paths", default=["releases"])
    parser.addini("nfvcert_time_limit", "seconds after which a test is taken to hang", default="900")
    parser.addini("nfvcert_testmodels", "folder with test models and the KPI catalogue", default="testmodels")
    parser.addini("nfvcert_waivers", "folder with waivers", default="waivers")
    parser.addini("nfvcert_reports", "folder for results", default="reports")


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """A run that is resumed has the arguments with which it was begun, and then those of this command."""
    if early_config.known_args_namespace.resume:
        from nfvcert.resume import arguments_of

        args[:] = [*arguments_of(early_config), *args]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers, and the certification when there is something to certify."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if _certifies(config):
        # openstacksdk warns of its own future at every connection: no reason not to certify where warnings are errors.
        config.addinivalue_line("filterwarnings", "ignore:::openstack")
        import gc
        import os

        # What is made until the first test stays for the whole run: to look for garbage in it again and again
        # costs a tenth of the start. `certification` turns it on again.
        gc.disable()
        # numpy would start a thread a processor for linear algebra, of which there is none; we fork.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        from nfvcert.certification import Certification

        try:
            certification = Certification.begin(config)
        except BaseException:
            gc.enable()
            raise
        config.stash[CERTIFICATION] = certification
        config.pluginmanager.register(certification, "nfvcert-certification")
        if certification.attempts is not None:
            config.pluginmanager.register(certification.attempts, "nfvcert-attempts")


def _certifies(config: pytest.Config) -> bool:
    return any(config.getoption(option) for option in ("lab", "release", "campaign", "resume"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Certifying needs a lab: says so instead of running into missing fixtures."""
    config = session.config
    if _certifies(config) or config.option.collectonly:
        return
    if any("stream" in getattr(item, "fixturenames", ()) for item in session.items):
        from nfvcert.files import lab_files

        known = ", ".join(lab_files([config.rootpath / path for path in config.getini("nfvcert_inventory")]))
        raise pytest.UsageError(f"these tests certify a lab: name it with --lab=NAME (there are: {known or 'none'})")


def _attempts(request: pytest.FixtureRequest) -> Attempts:
    attempts = request.config.stash[CERTIFICATION].attempts
    assert attempts is not None, "fixtures are set up only in a run"
    return attempts


@pytest.fixture(scope="session")
def stream(request: pytest.FixtureRequest) -> Iterator[OpenStream]:
    """The stream that the test belongs to; its lab is open until no test here needs it any more."""
    opened = _attempts(request).open(request.param)
    yield opened
    _attempts(request).close(opened)


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


def _cloud(stream: OpenStream, request: pytest.FixtureRequest) -> Iterator[CloudSession]:
    """What this test does in the lab's cloud; all that it makes is deleted after it."""
    session = stream.cloud_session(request.node.originalname.removeprefix("test_").replace("_", "-"))
    yield session
    session.close()


def _shared_cloud(stream: OpenStream) -> Iterator[CloudSession]:
    """What the tests of a stream share in the lab's cloud, such as an image; deleted after the last of them."""
    session = stream.cloud_session("shared")
    yield session
    session.close()


# The claims of fixtures stand as data, since this module may load nothing but pytest.
_cloud.nfvcert_claims = ((("cloud",), {}),)  # type: ignore[attr-defined]
_shared_cloud.nfvcert_claims = ((("cloud",), {}),)  # type: ignore[attr-defined]
cloud = pytest.fixture(name="cloud")(_cloud)
shared_cloud = pytest.fixture(scope="session", name="shared_cloud")(_shared_cloud)


@pytest.fixture(scope="session")
def bmc(stream: OpenStream) -> Callable[[str], Bmc]:
    """``bmc(host)`` is the management controller of a host of the inventory."""
    return stream.bmc


def _storage(stream: OpenStream) -> Callable[[str], Mapping[str, StorageTarget]]:
    """``storage(host)``: target name → StorageTarget, ready to be written over."""
    return stream.storage


# Two tests that write over one disk would find each other's data.
_storage.nfvcert_claims = ((("host",), {"exclusive": True, "every": True, "storage": "scratch"}),)  # type: ignore[attr-defined]
storage = pytest.fixture(scope="session", name="storage")(_storage)


def _trials(stream: OpenStream) -> Trials:
    """Valid trials on the lab's calibrated traffic generator."""
    return stream.trials


# Who measures has the generator to itself, and what its lab shares with others, such as this machine's processors.
_trials.nfvcert_claims = (  # type: ignore[attr-defined]
    (("generator",), {"exclusive": True}),
    (("shares",), {"exclusive": True, "every": True}),
)
trials = pytest.fixture(scope="session", name="trials")(_trials)


@pytest.fixture
def kpi(request: pytest.FixtureRequest, stream: OpenStream) -> KpiRecorder:
    """Records KPIs of this test; the judge's verdict on them becomes the test's."""
    return _attempts(request).recorder(request.node, stream)


@pytest.fixture
def progress(stream: OpenStream) -> Progress:
    """``progress(done, total, what)`` tells people how long a long test still takes."""
    return stream.progress
