"""Schedules: how a rule's rate changes as training goes on; pure functions of `Progress`, for every rule."""
