"""Timer values in seconds (RFC 3261 appendix A, RFC 6026 §8.8)."""

T1 = 0.5
"""Estimated round trip; the first retransmission interval."""
T2 = 4.0
"""The longest interval between retransmissions of a non-INVITE request or an INVITE's response."""
T4 = 5.0
"""How long a message may wander in the network."""

TIMER_B = TIMER_F = TIMER_H = TIMER_J = TIMER_L = TIMER_M = 64 * T1
TIMER_D = 32.0
TIMER_I = TIMER_K = T4
