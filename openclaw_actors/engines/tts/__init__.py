"""Engines that speak, one file each; the phrase cache; and the road from text to packets (synthesis.py).

Nothing here knows of calls or turns.
"""
