"""Building and parsing of streams; only this package knows the format of docs/FORMAT.md."""
