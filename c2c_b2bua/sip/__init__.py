"""SIP as values: URIs, header fields, messages, digests, and the flows they travel on (RFC 3261 §7, §19, §20, §22, §25)."""
