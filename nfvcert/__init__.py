"""nfvcert: certify releases of NFV infrastructure, VIM and VNFs."""
