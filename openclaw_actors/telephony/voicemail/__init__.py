"""Messages that callers leave, on their way to being answered by a call.

Each message is one row of the store (store/voicemails.py), and its state says what has been done for it:

```
                          (carrier records)
             recording ──▶ fetching ──┐
                 │                    ▼
                 └──────────────▶ recorded ──▶ transcribed ◀──▶ asking ──▶ due ◀──▶ dialling
                                      │             │             │         │          │
                        nobody spoke: erased        └── kept ◀────┘      failed   done, failed
```

The row is written before every step that can't be taken back, and each change is one transaction with the events that
tell of it. So a host may be killed between any two steps; the next one (of this host's name or another's, as long as
they share the database) takes over what it left:

| killed while | is found in | and then |
|---|---|---|
| the caller spoke | ``recording`` | what the disk has is the message, if somebody spoke |
| the carrier recorded | ``recording`` | the carrier is asked for the call's recordings |
| it was fetched or transcribed | ``fetching``, ``recorded`` | that is done again |
| the agent was asked | ``asking`` | asked again if it may be; else ``voicemail.no_answer`` is the answer |
| before the call-back had a record | ``dialling`` without a call | nobody was dialled: it is due |
| it was dialled, rang, or went on | ``dialling`` with a call | its events tell what was heard (states.py) |

An attempt of which nobody has heard enough counts as missed: the next comes after ``retry_s``, when the new host has
long hung up what still rang.

A number is called when nothing of its is being prepared, so two messages are answered by one call. Who rings in while
a call-back is due hears its answer then; one that is being dialled is hung up for it.

- ``states.py``: the rules, pure. ``book.py``: taking messages. ``secretary.py``: understanding and answering them.
- ``carrier_tapes.py``: what a carrier records in our place. ``callbacks.py``: calling.
- ``rounds.py``: who does what next. ``desk.py``: all of it, as the rest of the host sees it.
"""
