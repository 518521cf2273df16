"""Fake providers that speak the real protocols over real sockets, with delays and faults to order.

Nothing here is imported by the host, and nothing here reaches beyond this machine.
"""
