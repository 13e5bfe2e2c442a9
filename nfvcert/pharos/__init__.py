"""OPNFV Pharos pod descriptors → inventories.

A pod is published as a PDF (POD descriptor file: machines, disks, interfaces, remote management) and
often an IDF (installer descriptor file: networks, roles, interface names). Both are read in all the
shapes in which labs have published them; of everything that could not be carried over, the report
says what it was and where. Secrets are never copied. Source: `config/pdf/` of OPNFV's pharos
repository, versions 1.0 (PDF) and 0.1 (IDF), and the descriptors in its `labs/`.
"""

from nfvcert.pharos.conversion import Conversion, convert

__all__ = ["Conversion", "convert"]
