"""`openclaw-actors eval`: what it prints, writes and exits with, against a served host."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

HELD = """
name = "It answers"
[listen]
greeting_s = 0
quiet_s = 0.5
[[steps]]
text = "How are you?"
expect.words = ["fine"]
"""


def test_what_holds_ends_with_status_0_and_what_does_not_with_1(shell, host_url, tmp_path):
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "held.toml").write_text(HELD)
    good = shell("eval", "evals", "--url", host_url)
    assert good.exit_code == 0, good.output
    assert "✓ It answers" in good.output
    assert "I am fine, thank you." in good.output
    assert "1 held" in good.output

    (tmp_path / "evals" / "other.toml").write_text(HELD.replace("fine", "sad").replace("It answers", "It cries"))
    bad = shell("eval", "evals", "--url", host_url, "--json", "--junit", "junit.xml", "--parallel", "2")
    assert bad.exit_code == 1
    result = json.loads(bad.stdout)
    assert (result["held"], result["failed"]) == (1, 1)
    (check,) = [each for each in result["evals"][1]["checks"] if each["verdict"] == "failed"]
    assert (check["step"], check["what"]) == (1, "says 'sad'")
    assert ET.parse(tmp_path / "junit.xml").getroot().get("failures") == "1"


def test_a_script_that_cannot_be_used_ends_with_status_2_before_anybody_is_called(shell, tmp_path):
    (tmp_path / "bad.toml").write_text(HELD.replace("words", "wrds"))
    result = shell("eval", "bad.toml", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 2
    assert result.stderr == "bad.toml: step 1 (text): expect.wrds: there is no such key; is 'words' meant?\n"


def test_a_voice_that_is_not_there_is_such_a_fault_too(shell, tmp_path):
    (tmp_path / "bad.toml").write_text('name = "x"\n[[steps]]\nsay = "Hello."\nvoice = "no-such:voice"\n')
    result = shell("eval", "bad.toml", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 2
    assert "bad.toml: step 1 (say): voice: " in result.stderr
    assert "there is no engine 'no-such'" in result.stderr
