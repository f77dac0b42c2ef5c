"""One request and its responses: four machines, each a table (RFC 3261 §17, RFC 6026)."""
