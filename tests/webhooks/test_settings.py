"""A webhook that could not work, or could be abused, is found before anything starts."""

from __future__ import annotations

import base64

import pytest

from openclaw_actors.errors import SettingsError
from openclaw_actors.settings.load import load_settings

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


def fault(tmp_path, text: str) -> SettingsError:
    path = tmp_path / "host.toml"
    path.write_text("[webhooks]\n" + text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path, {})
    return caught.value


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("ftp://hooks.example/", "must be a URL"),
        ("hooks.example", "must be a URL"),
        ("https://hooks.example/#part", "must be a URL"),
        ("https://me:hush@hooks.example/", "name and password"),
        ("http://127.0.0.1:9000/", "allow_private"),
        ("http://[::1]/", "allow_private"),
        ("http://10.1.2.3/", "allow_private"),
        ("http://169.254.169.254/latest/", "allow_private"),
        ("http://localhost/", "allow_private"),
    ],
)
def test_a_wrong_url_is_named_with_what_to_do(tmp_path, url, remedy):
    error = fault(tmp_path, f'urls = ["{url}"]\nsecret = "{SECRET}"\n')
    assert error.key == "webhooks.urls[0]"
    assert remedy in error.remedy
    assert "hush" not in str(error)


def test_a_url_twice_would_be_told_everything_twice(tmp_path):
    error = fault(tmp_path, f'urls = ["https://h.example/", "https://h.example/"]\nsecret = "{SECRET}"\n')
    assert error.key == "webhooks.urls[1]"


@pytest.mark.parametrize(
    "secret", ["", "hush", "whsec_", "whsec_????", "whsec_" + base64.b64encode(bytes(8)).decode(), SECRET[6:]]
)
def test_nothing_is_posted_unsigned_or_with_a_weak_secret(tmp_path, secret):
    error = fault(tmp_path, f'urls = ["https://h.example/"]\nsecret = "{secret}"\n')
    assert error.key == "webhooks.secret"
    assert "openssl" in error.remedy
    assert not secret or secret == "whsec_" or secret not in str(error)


def test_two_secrets_side_by_side_and_a_receiver_on_this_machine_when_it_is_allowed(tmp_path):
    path = tmp_path / "host.toml"
    path.write_text(
        f'[webhooks]\nurls = ["http://127.0.0.1:9000/"]\nsecret = "{SECRET} {SECRET}"\nallow_private = true\n'
    )
    assert load_settings(path, {}).webhooks.urls == ("http://127.0.0.1:9000/",)
