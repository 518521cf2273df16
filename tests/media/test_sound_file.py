"""A file of sound can be played whatever cuts it short, and a full disk is an error that says so."""

from __future__ import annotations

import errno

import av
import numpy as np
import pytest

from openclaw_actors.media.sound_file import CONTENT_TYPES, RATE, SUFFIXES, create, repair, seconds_of
from tests.recordings.chirps import chirp, gaps, places, sides, train

FORMS = ["opus", "wav"]


def stereo(left: bytes, right: bytes) -> bytes:
    return np.stack([np.frombuffer(left, "<i2"), np.frombuffer(right, "<i2")], axis=1).tobytes()


def written(path, form: str, seconds: int = 4, *, close: bool = True):
    """A file of chirps, written in pieces as a recording is."""
    file = create(path, form)
    sound = stereo(train(2 * seconds), train(2 * seconds, low=2600, high=700))
    for start in range(0, len(sound), 31_000):
        file.write(sound[start : start + 31_000])
    if close:
        file.close()
    return file


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_is_there_to_the_sample_left_and_right(tmp_path, form):
    path = tmp_path / f"sound{SUFFIXES[form]}"
    file = written(path, form)
    assert file.samples == 4 * RATE
    assert seconds_of(path) == pytest.approx(4.0, abs=0.01)
    left, right = sides(path)
    for side, one in ((left, chirp()), (right, chirp(low=2600, high=700))):
        found = places(side, one)
        assert gaps(found) == [RATE // 2] * 7
        assert abs(found[0]) <= 2


@pytest.mark.parametrize("form", FORMS)
def test_what_a_kill_has_cut_short_is_playable_as_it_is_and_finished_by_repair(tmp_path, form):
    path, part = tmp_path / f"sound{SUFFIXES[form]}", tmp_path / f"sound{SUFFIXES[form]}.part"
    file = written(part, form, close=False)
    torn = tmp_path / f"torn{SUFFIXES[form]}.part"
    torn.write_bytes(part.read_bytes()[:-37])
    file.close()
    assert len(sides(torn)[0]) > 3 * RATE
    assert repair(torn, path) == pytest.approx(4.0, abs=1.0)
    assert not torn.exists()
    assert gaps(places(sides(path)[0], chirp())) == [RATE // 2] * (len(places(sides(path)[0], chirp())) - 1)
    with av.open(str(path)) as container:
        assert container.duration is not None


@pytest.mark.parametrize("form", FORMS)
def test_a_file_without_sound_is_not_taken_for_one(tmp_path, form):
    part = tmp_path / f"sound{SUFFIXES[form]}.part"
    part.write_bytes(b"")
    with pytest.raises(ValueError, match="holds no sound"):
        repair(part, tmp_path / f"sound{SUFFIXES[form]}")
    assert part.exists()


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_told(tmp_path, form):
    path = tmp_path / f"full{SUFFIXES[form]}"
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as error:
        written(path, form)
    assert error.value.errno == errno.ENOSPC


def test_the_types_are_those_that_browsers_know():
    assert CONTENT_TYPES == {"opus": "audio/ogg", "wav": "audio/wav"}
