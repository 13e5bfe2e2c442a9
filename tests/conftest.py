"""What holds for every test."""

import os
import signal
import tempfile

from hypothesis import settings

# What runs in the background of a shell ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Labs of the tests have the names of real ones: nobody else's run waits for them, and they wait for nobody else's.
os.environ["NFVCERT_LEASES"] = tempfile.mkdtemp(prefix="nfvcert-leases-")

# A slow machine fails no test: what must be fast is measured in benchmarks/.
settings.register_profile("nfvcert", deadline=None)
settings.load_profile("nfvcert")
