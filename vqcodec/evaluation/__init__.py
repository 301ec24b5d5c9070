"""Comparison of codecs: records of files, baselines, tables and curves."""
