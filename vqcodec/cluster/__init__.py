"""Work on many items on a Ray cluster; `run` has the function to call."""
