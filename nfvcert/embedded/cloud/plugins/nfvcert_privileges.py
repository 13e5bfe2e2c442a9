# ruff: noqa: INP001 - no part of our package
"""Neutron's agent with the privileges that it was started with, without a helper process for them (oslo.privsep).

It runs in the cloud's own environment, as root of the lab's namespaces already.
"""

from neutron import privileged
from oslo_privsep.priv_context import PrivContext


def here():
    """Let privileged functions run in the process that calls them."""
    for context in vars(privileged).values():
        if isinstance(context, PrivContext):
            context.set_client_mode(False)
