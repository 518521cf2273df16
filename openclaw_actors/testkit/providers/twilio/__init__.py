"""Twilio, played: its REST API, webhooks with true signatures, media streams, and the people on the lines."""
