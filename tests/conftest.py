"""What holds for every test."""

import contextlib
import os
import signal
import tempfile

import pytest
from hypothesis import settings

from tests.held_back import HeldBack

# What runs in the background of a shell ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Labs of the tests have the names of real ones: nobody else's run waits for them, and they wait for nobody else's.
LEASES = tempfile.TemporaryDirectory(prefix="nfvcert-leases-", ignore_cleanup_errors=True)
os.environ["NFVCERT_LEASES"] = LEASES.name

# A test starts nfvcert hundreds of times: each would compile all that it imports, where nobody may keep that.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A slow machine fails no test: what must be fast is measured in benchmarks/.
settings.register_profile("nfvcert", deadline=None)
settings.load_profile("nfvcert")


def pytest_configure(config: pytest.Config) -> None:
    """What fails while this machine is held back is run again."""
    config.addinivalue_line("markers", "long: takes long, and is shown in parts by others (tests/long.py)")
    config.pluginmanager.register(HeldBack(), "held-back")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What tests of drivers take that can run on real gear."""
    group = parser.getgroup("nfvcert's own tests")
    with contextlib.suppress(ValueError):  # the plugin, where it is loaded, has the option too
        group.addoption("--lab", help="inventory of a lab whose gear the contract tests of a driver use")
    group.addoption("--record", action="store_true", help="record the sessions with it, in place of the old ones")
