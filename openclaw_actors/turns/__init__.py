"""Turn-taking: when the caller speaks, when they have finished, and how our answer is cut for the voice.

Pure: no actors, no clocks, no I/O beyond the voice detector's model. What decides for a call lives in actors.
"""
