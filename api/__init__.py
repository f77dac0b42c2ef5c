"""The HTTP door: one dialect per file, no policy."""
