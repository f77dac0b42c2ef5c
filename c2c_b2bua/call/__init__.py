"""Two legs and a bridge: how a call goes, and what is kept of it."""
