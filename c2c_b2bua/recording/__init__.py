"""What goes into the core for one call and what comes out, so that it can be played again."""
