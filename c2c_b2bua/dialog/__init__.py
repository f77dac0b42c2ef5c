"""One leg: a dialog (RFC 3261 §12), its offer/answer state (RFC 3264), and how its ringing goes."""
