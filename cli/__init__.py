"""The command line: options in, one library call, messages out."""
