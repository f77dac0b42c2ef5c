"""Click-to-call without a PBX: one HTTP request, two phones, one bridged call.

The words of this house, each with one meaning:

leg          one side of a call: a dialog we opened, its offer/answer state, and how its ringing went
A, B         the leg rung first, the leg rung second
call         two legs and what joins them
bridge       what two joined legs pass to each other
dialog       RFC 3261 §12: the peer relationship that Call-ID and the two tags name
transaction  RFC 3261 §17: one request and its responses
offer/answer RFC 3264: one session description proposed, one returned
event        something that happened (a past participle: `Ringing`, `Answered`)
action       something to be done (an imperative: `Send`, `StartTimer`)
machine      has a state, and methods that take an event and return actions
flow         where bytes travel: a transport, our address, the peer's address
trunk        a carrier's SIP proxy that takes us to telephone numbers
record       what history keeps of one call
"""

__version__ = "0.1.0"
