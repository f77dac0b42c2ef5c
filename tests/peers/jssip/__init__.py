"""JsSIP in a browser."""
