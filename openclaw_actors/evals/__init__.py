"""Scenario evals: scripts of a caller, played to a running host, and what must come of them.

A script is data (TOML); scripts.py reads it, play.py is the caller, checks.py judges. Knows the host by its API alone.
"""
