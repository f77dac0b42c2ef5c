"""Two legs and a bridge: what a call is, how it goes, what is kept of it."""
