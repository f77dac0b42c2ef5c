"""Who is where: we as a user agent that registers (RFC 3261 §10)."""
