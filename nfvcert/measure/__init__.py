"""Facts only: what was measured, never whether it is good enough."""
