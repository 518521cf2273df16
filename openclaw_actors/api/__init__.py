"""The HTTP face: routes, who may use them, problems as RFC 9457, and the socket they listen on.

Knows the Switchboard by its Board protocol alone; what a call does once it has begun is no business of this room.
"""
