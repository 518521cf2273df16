"""Webhooks: events leave the store's outbox here, signed, in order, until each receiver has taken them.

Nothing here knows calls or HTTP routes of our own; nothing here keeps what the outbox does not hold.
"""
