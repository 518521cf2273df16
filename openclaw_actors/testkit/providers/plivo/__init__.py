"""Plivo, played: its REST API, webhooks with true signatures, Plivo XML, audio streams."""
