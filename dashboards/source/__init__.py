"""Grafana dashboards as small Python: ``python -m dashboards.source`` writes ``dashboards/grafana/*.json`` anew.

A dashboard is rows of panels, a panel is a few queries with a unit and a sentence that says how to read it. What all
have in common (variables, data source, layout, links) is in panels.py, what all queries have in common in queries.py.
"""
