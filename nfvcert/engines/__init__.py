"""Engines: foreign test suites (tempest, rally), each in an environment of its own, driven by a test of ours.

Their configuration is made from the cloud under test, their results become ours test by test (`foreign`).
"""
