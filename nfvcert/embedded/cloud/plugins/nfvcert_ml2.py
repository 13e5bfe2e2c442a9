# ruff: noqa: INP001 - no part of our package
"""A mechanism driver of Neutron's ML2 plug-in for a cloud without a data plane: binds every port, on any host.

It runs in the cloud's own environment. Interface: neutron_lib.plugins.ml2.api.MechanismDriver.
"""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class BindingMechanismDriver(api.MechanismDriver):
    """Binds a port at once, so that Nova goes on with the server."""

    resource_provider_uuid5_namespace = None

    def initialize(self):
        """Nothing to prepare."""

    @property
    def connectivity(self):
        """What it connects: Ethernet."""
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        """Take the first segment without a data plane."""
        for segment in context.segments_to_bind:
            if segment[api.PHYSICAL_NETWORK] == "guests":
                continue  # it has a data plane, and so an agent
            details = {
                portbindings.CAP_PORT_FILTER: True,
                portbindings.OVS_HYBRID_PLUG: False,
                portbindings.VIF_DETAILS_CONNECTIVITY: portbindings.CONNECTIVITY_L2,
            }
            context.set_binding(
                segment[api.ID], portbindings.VIF_TYPE_OVS, details, status=constants.PORT_STATUS_ACTIVE
            )
            return
