"""The command ``openclaw-actors``: reads arguments, prints, sets exit codes.

What a command does lies in the rooms below; no rule of calls, settings or HTTP is decided here.
"""
