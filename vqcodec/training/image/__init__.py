"""Data and losses of pictures."""
