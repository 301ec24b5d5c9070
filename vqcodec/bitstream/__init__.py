"""Bytes to fields and back: the only code that knows the file format (docs/FORMAT.md)."""
