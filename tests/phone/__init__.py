"""Calls by phone, over a Twilio that the test kit plays."""
