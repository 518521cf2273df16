"""A script that can't be played says so before anybody is called: file, step, key, and what to do."""

from __future__ import annotations

import pytest

from openclaw_actors.evals.scripts import SHIPPED, ScriptError, load

STEP = '[[steps]]\nsay = "Hello."\n'


def faults(tmp_path, text: str) -> list[str]:
    path = tmp_path / "script.toml"
    path.write_text(text)
    with pytest.raises(ScriptError) as caught:
        load([path])
    return [str(fault).removeprefix(f"{path}: ") for fault in caught.value.faults]


def test_five_scripts_ship_and_are_found_in_the_package():
    scripts = load([SHIPPED])
    assert len(scripts) == 5
    assert any(step.action == "interrupt" for script in scripts for step in script.steps)
    assert [script.path.stem for script in scripts if script.needs] == ["failing_engine"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (STEP + "expect.wrds = ['x']", "step 1 (say): expect.wrds: there is no such key; is 'words' meant?"),
        ("[[steps]]\ninterupt = 'x'", "step 1: interupt: there is no such key; is 'interrupt' meant?"),
        (
            STEP + "wav = 'a.wav'",
            (
                "step 1 (say): a step is one of say, wav, text, dtmf, interrupt, silence, listen, "
                "hang_up; this has say and wav: split it up"
            ),
        ),
        (
            "[[steps]]\nvoice = 'flite:slt'",
            (
                "step 1: a step is one of say, wav, text, dtmf, interrupt, silence, listen, "
                "hang_up; this does nothing: give it one"
            ),
        ),
        ("[[steps]]\nwav = 'none.wav'", "step 1 (wav): wav: there is no file 'none.wav' beside the script"),
        (
            "[[steps]]\ninterrupt = 'x'",
            (
                "step 1 (interrupt): interrupt: there is no answer before it that could be "
                "interrupted; let a say, wav, text or listen stand there"
            ),
        ),
        (
            "[[steps]]\nsay = ['a', 99]",
            ("step 1 (say): a pause in say is above 0 and at most 30 seconds; use silence for longer ones"),
        ),
        ("[[steps]]\nsilence = 'long'", "step 1 (silence): silence: input should be a valid number, not 'long'"),
        ("[[steps]]\ndtmf = '1x'", "step 1 (dtmf): dtmf is 1 to 64 of 0-9, A-D, * and #"),
        (
            "[[steps]]\nhang_up = true\n" + STEP,
            ("step 2 (say): say: the caller has hung up before it; let hang_up be the last"),
        ),
        (STEP + "after_ms = 3", "step 1 (say): after_ms belongs to interrupt: take it out"),
        (
            STEP + "expect.matches = '('",
            (
                "step 1 (say): expect: matches is no regular expression: missing ), "
                "unterminated subpattern at position 0"
            ),
        ),
        (
            STEP + "expect.events = ['call.bargein']",
            ("step 1 (say): expect: there is no event 'call.bargein'; is 'call.barge_in' meant?"),
        ),
        (STEP + "expect.words = ['?']", "step 1 (say): expect: words has a text without a word in it; take it out"),
        (
            STEP + "expect.quiet_s = 2\nexpect.words = ['a']",
            ("step 1 (say): expect: quiet_s wants no answer, the others want one: take either out"),
        ),
        ("steps = []", "steps: is missing; a script has a name, and at least one [[steps]]"),
        (
            STEP + "[expect]\nquiet_s = 2",
            ("expect of the whole call has no silent_within_ms and no quiet_s: give them to a step"),
        ),
        (STEP + "[caller]\nvoic = 'x'", "caller.voic: there is no such key; is 'voice' meant?"),
    ],
)
def test_a_fault_names_the_step_the_key_and_the_remedy(tmp_path, text, fault):
    assert faults(tmp_path, f"name = 'x'\n{text}") == [fault]


def test_all_faults_of_all_files_are_told_at_once(tmp_path):
    (tmp_path / "one.toml").write_text("name = 'x'\nstep = 1\n" + STEP + "vioce = 'x'")
    (tmp_path / "two.toml").write_text("name =")
    with pytest.raises(ScriptError) as caught:
        load([tmp_path, tmp_path / "three.toml"])
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert "is no TOML" in lines[2]
    assert "can't be read" in lines[3]


def test_a_folder_without_scripts_is_a_fault(tmp_path):
    with pytest.raises(ScriptError, match=r"there is no \*\.toml in this folder"):
        load([tmp_path])
