"""Scripted callers, fake providers on real sockets, a lossy link, hosts to call: for tests, benchmarks and `call`.

May import any room; nothing of the host imports it, and it knows no test.
"""
