"""Sockets: datagrams, streams, and the names of hosts (RFC 3261 §18)."""
