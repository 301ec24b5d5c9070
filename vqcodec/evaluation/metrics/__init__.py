"""Metrics of a reconstruction against its original."""
