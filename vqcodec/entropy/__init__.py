"""Integers to bytes and back; no networks, no files."""
