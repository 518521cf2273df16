"""openclaw_actors: a voice-call host for self-hosted assistants."""

__version__ = "0.1.0"
__all__ = ["__version__"]
