"""``python -m openclaw_actors``: the same as the command ``openclaw-actors``."""

from __future__ import annotations

from openclaw_actors.cli.main import main

if __name__ == "__main__":
    main()
