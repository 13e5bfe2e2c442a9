"""A real OpenStack for an embedded lab: services of its own environment, in the namespace of the lab's controller."""
