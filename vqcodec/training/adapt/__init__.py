"""Fitting of a finished model to a folder of files of one kind, in minutes."""
