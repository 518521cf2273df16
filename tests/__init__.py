"""The tests mirror the package; `load` holds benchmarks, `browser` drives Chromium, `calls` are end to end."""
