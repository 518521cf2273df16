"""Telnyx, played: Call Control over REST, webhooks with true Ed25519 signatures, media streams."""
