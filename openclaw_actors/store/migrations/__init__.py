"""How the tables came to be what they are: one Alembic revision a change, each of which keeps every row.

A revision that was released is never edited; nothing but Alembic imports what lies here.
"""
