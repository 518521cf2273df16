"""Calls by phone: who may call and be called, carriers' REST and webhooks, calls that wait for their media.

A carrier's own words stay in its folder; nothing here knows of HTTP servers.
"""
