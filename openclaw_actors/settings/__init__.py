"""Settings: every key with its type and default, where they are read from, and what may not go together.

Nothing here acts on a setting, and nothing here knows the rest of the package.
"""

from openclaw_actors.settings.sections import Settings

__all__ = ["Settings"]
