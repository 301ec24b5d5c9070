"""Entropy coding: integers to bytes and back, without networks or files."""
