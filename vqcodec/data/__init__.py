"""Files on disk to batches, whatever the files hold."""
