"""The revisions, in the order of their numbers; Alembic reads them from this folder."""
