"""Watching training: what tasks measure about themselves, and what makes it seen: callbacks, page, event files."""
