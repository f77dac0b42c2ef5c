"""The fault matrix: every ladder, and every way in which one message, one phone or one moment of it can go wrong."""
