"""The bodies of actions on a live call, and the answer to them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, RootModel

from openclaw_actors.api.models import Body, CommandKey, PhoneNumber, Text
from openclaw_actors.media.clips import NAMES
from openclaw_actors.media.tones import MAX_DIGITS


class Command(Body):
    """An action that needs nothing more."""

    command_id: CommandKey | None = Field(
        default=None, description="Your name for this command: sent again, it is answered again and not done again."
    )


class SayCommand(Command):
    """A line for the agent's voice, after what is being said."""

    text: Text


class TextCommand(Command):
    """A line to be taken as if the caller had said it."""

    text: Text


class HoldCommand(Command):
    """What the caller hears meanwhile."""

    sound: Literal["music", "tone"] = "music"


class DtmfCommand(Command):
    """Keys to send as tones."""

    digits: str = Field(pattern=rf"^[0-9A-Da-d*#wW]{{1,{MAX_DIGITS}}}$", description="`w` is a pause of half a second.")


class PlayClip(Command):
    """One of our sounds."""

    clip: str = Field(json_schema_extra={"enum": list(NAMES)})


class PlayFile(Command):
    """A sound of your own."""

    audio: str = Field(
        min_length=1,
        description="A WAV or Ogg file (Opus, Vorbis, FLAC) of at most a minute, in base64.",
        json_schema_extra={"contentEncoding": "base64"},
    )
    name: str = Field(default="file", max_length=64, pattern=r"^[^\x00]*$", description="For the event.")


class PlayCommand(RootModel[PlayClip | PlayFile]):
    """Either of the two."""

    @property
    def command_id(self) -> str | None:
        """The client's name for it."""
        return self.root.command_id


class TransferCommand(Command):
    """Where the call shall go."""

    to: PhoneNumber


class Accepted(BaseModel):
    """The command was given to the call; what it comes to is an event."""

    command_id: str
    call_id: str
    action: str
    status: Literal["accepted"] = "accepted"
