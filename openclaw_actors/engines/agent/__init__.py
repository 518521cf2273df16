"""Engines that think, one file each. Nothing here knows how their words are spoken, or keeps a conversation."""
