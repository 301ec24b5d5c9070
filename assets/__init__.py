"""Models and samples that come with the program."""
