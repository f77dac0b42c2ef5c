"""Engines in processes of their own, and what they and the desk tell each other."""
