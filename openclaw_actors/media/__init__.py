"""Sound as bytes: codecs, resampling, jitter, concealment, trimming, playout.

Knows no call, no peer and no engine; what is here runs on bytes and samples alone.
"""
