"""What must be fast. `python -m benchmarks` runs all of it; machines are noisy, so figures are medians and ratios."""
