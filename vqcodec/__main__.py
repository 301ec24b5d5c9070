"""Lets `python -m vqcodec` run the command."""

from importlib import import_module

if __name__ == "__main__":
    import_module("vqcodec.cli.main").main()  # the library itself does not import its command
