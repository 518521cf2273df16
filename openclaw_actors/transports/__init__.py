"""The ways a caller reaches a call: WebRTC, and carriers' media streams; each implements ``Peer`` of peer.py.

Speech, turns and supervision do not live here: a transport moves 20 ms of sound at a time and reports its state.
"""
