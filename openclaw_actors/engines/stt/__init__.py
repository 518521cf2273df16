"""Speech to text: one file an engine; ``*_worker`` files run in worker processes and may import native code.

Not here: when to transcribe (actors), voice activity (turns).
"""
