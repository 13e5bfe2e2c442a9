"""What holds for every test."""

import signal

# What runs in the background of a shell ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
