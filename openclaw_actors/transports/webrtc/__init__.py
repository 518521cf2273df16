"""A caller over WebRTC: offer and answer, ICE, the outbound clock, the data channel.

Private names of aiortc live in aiortc_private.py alone, those of aioice in ice.py alone.
"""
