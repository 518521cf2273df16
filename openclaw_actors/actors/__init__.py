"""The tree: Switchboard, Call and the five stages, and the runtime that hosts them on the event loop.

Decisions live here, and who supervises whom; sound, engines and protocols live in the rooms below.
"""
