"""Plivo's own words: HMAC signatures, Plivo XML, the fields of its webhooks, its REST API."""
