"""Data and losses of sounds."""
