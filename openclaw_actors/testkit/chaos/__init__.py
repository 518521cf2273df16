"""The chaos kit: what may go wrong in a call, as data; how it is done to a live call; what the caller then hears.

``python -m openclaw_actors.testkit.chaos`` runs all of it and prints a report (docs/reliability.md explains it).
"""
