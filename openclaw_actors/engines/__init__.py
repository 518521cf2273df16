"""Engines hear, think and speak behind three small protocols; worker processes keep native code off the loop.

Here: engines, their workers, the catalogue of what serves. Not here: calls, actors, when an engine is asked.
"""
