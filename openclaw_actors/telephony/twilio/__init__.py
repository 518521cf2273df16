"""Twilio's own words: signatures, TwiML, the fields of its webhooks, its REST API."""
