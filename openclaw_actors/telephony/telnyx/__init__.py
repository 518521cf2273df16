"""Telnyx's own words: Ed25519 signatures, Call Control's events and commands."""
