"""Faster ways to compute the same network function, in fewer and cheaper steps."""
