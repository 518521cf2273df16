"""The records: calls, turns, transcripts, events, idempotency keys and the webhook outbox, in SQLite or PostgreSQL.

One writer thread and a few readers, all off the loop; nothing here knows actors, HTTP or what a call is doing.
"""
