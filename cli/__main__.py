"""Lets `python -m vqcodec.cli` run the command."""

from .main import main

if __name__ == "__main__":
    main()
