"""The sentences of `explanation.py`: for our own words, for SIP codes, for Q.850 causes, and for whatever is left.

Where there are two, the key is whether the leg went by a trunk. In braces: `who` a trunk or a phone, `target` whom the
leg called, `other` whom the other leg called, `first` and `second` whom A and B are, `peer` an address, `said` code and
phrase, `rang` and `waited` spans of time.
"""

from __future__ import annotations

Pair = dict[bool, str]
"""Of a trunk (True) and of a phone (False)."""


def same(sentence: str) -> Pair:
    return {True: sentence, False: sentence}


BY_TEXT: dict[str, str] = {
    "the ring timer ended": "Nobody answered at {target} within {rang}: try again later, or let it ring longer (ring_timeout).",
    "no response": "{who} said nothing at all within {rang}: check its address ({peer}), and the firewalls on the way.",
    "the first phone could not wait any longer": "{target} did not answer before {other}, whose call began without an offer, "
    'had to be told: set offer = "held" for {other}, or a shorter ring_timeout.',
    "no stream or codec in common": "The two phones have no codec in common: add one to codecs that both have.",
    "no answer to a re-INVITE": "{who} stopped answering during the call: it has lost its network, or was switched off.",
    "no ACK": "{who} never acknowledged our answer: see whether advertise is our address as it sees it.",
    "session timer expired": "{who} stopped keeping the session alive: it has lost its network, or was switched off.",
    "the call reached its longest duration": "The call reached its longest duration: raise max_duration if that was too short.",
    "the first phone did not answer our re-INVITE": "{first} did not answer our re-INVITE before {second} stopped waiting: "
    "it has lost its network, or was switched off.",
    "the phone did not say in time how its call went": "{first} was asked to call {second} by itself (REFER), and did not "
    'say in time how that went: set bridge = "reinvite" if it never does.',
    "the phone did not say how its call went": "{first} was asked to call {second} by itself (REFER), and did not say how "
    'that went: set bridge = "reinvite" if it never does.',
    "the service was stopped while this call was being made": "The service was killed while this call was being made: make "
    "it again.",
    "internal error": "An error of this service ended the call: its log says more; please report it.",
    "the service is shutting down": "The service was being stopped, and the time for calls to end was over: raise grace.",
    "the service is stopping": "The service was being stopped while the call waited for a trunk: make it again.",
    "the service was stopped while this call went on": "The service was killed while this call went on: make it again.",
    "the request was given up before anybody was rung": "The request was given up before anybody was rung: make it again.",
    "hung up before a trunk had a place": "A request hung up after {waited}, before a trunk had a place.",
    "no trunk had a place within": "No trunk had a place within {waited}: raise max_calls or calls_per_second of a trunk, add "
    "another one, or let calls wait longer (queue_timeout).",
}
"""What we say ourselves of an end."""

NO_SIGN_OF_LIFE = "{who} at {peer} said nothing at all within {rang}: check that address, and the firewalls on the way."
UNREACHABLE = "{who} cannot be reached at {peer} ({reason}): check name or address, port, transport and network."

BY_REQUEST = "A request hung up after {waited}, before the two were joined."
HUNG_UP_EARLY = {
    "NORMAL_CLEARING": "{target} hung up before the two were joined.",
    "ORIGINATOR_CANCEL": "{target} hung up before the other side had answered.",
}
GAVE_A_REASON = "{target} hung up before the two were joined, and said why: {reason}."
TALKED_ON = {
    "the phone calls by itself": "{a} called {b} by itself, as it was asked to (REFER): for how long, only the two know.",
    "the call was handed over": "{a} and {b} talked for {span}, then {name} handed the call over.",
    "the call was joined with another": "{a} and {b} talked for {span}, then {name} joined the call with another one.",
}
"""Ends of calls that were none for those who talked, by our own words."""
UNUSABLE = {
    488: "{who} described its media in a way that cannot be used ({reason}): report it with the ladder.",
    502: "{who} answered in a way that cannot be used ({reason}): report it with the ladder.",
}
"""By code, where it was us who could not go on."""

AFTER_A_PASSWORD: Pair = {
    True: "{who} did not accept the credentials ({said}): check username and password of the trunk.",
    False: "{who} did not accept the credentials ({said}): let it take calls from this service without a password.",
}

NO_NUMBER: Pair = {
    True: "{who} does not know {target} ({said}): check the number, and number_format, prefix_add and rewrite of the trunk.",
    False: "{who} does not know the user it was called as ({said}): check the uri of the extension, or let it register again.",
}
NO_CODEC: Pair = {
    True: "{who} has no codec in common with what was offered ({said}): add one that it takes to codecs.",
    False: "{who} has no codec in common with what was offered ({said}): add one that it has to codecs.",
}
LOOP: Pair = {
    True: "{who} found the call going round in circles ({said}): it must not send calls to {target} back to this service.",
    False: "The call to {target} went round in circles ({said}): take its forwarding off.",
}
BUSY: Pair = same("{target} is busy ({said}): try again later.")
REFUSED_INVITE: Pair = {
    True: "{who} did not understand the INVITE ({said}): compare it, by a dry run, with what the carrier asks for.",
    False: "{who} did not understand the INVITE ({said}): look for newer firmware, and report it with the ladder.",
}
TOO_LARGE: Pair = same("{who} found the INVITE too large ({said}): leave out headers and codecs, or reach it by TCP.")
FAULT: Pair = {
    True: "{who} failed ({said}): the fault is on its side; ask the carrier, or add another trunk that calls can go over to.",
    False: "{who} failed ({said}): the fault is on its side; restart it, look for newer firmware.",
}
DECLINED: Pair = same("{target} declined the call ({said}).")
ELSEWHERE: Pair = {
    True: "{who} sent the call elsewhere ({said}), which is not followed: let the carrier route it, or call the new number.",
    False: "{who} forwards its calls ({said}), which is not followed: take the forwarding off, or call the new number.",
}
CANCELLED: Pair = same("The call to {target} was cancelled before anybody answered ({said}).")

BY_CODE: dict[int, Pair] = {
    300: ELSEWHERE,
    301: ELSEWHERE,
    302: ELSEWHERE,
    305: ELSEWHERE,
    380: ELSEWHERE,
    400: REFUSED_INVITE,
    401: {
        True: "{who} asks for credentials ({said}): set username and password of the trunk.",
        False: "{who} asks for a password ({said}): let it take calls from this service without one.",
    },
    402: same("{who} wants to be paid ({said}): see whether the account there has credit."),
    403: {
        True: "{who} refused the From user ({said}): set from_user to one it knows; or ask whether {target} is allowed.",
        False: "{who} does not take this caller ({said}): allow calls from this service there.",
    },
    404: NO_NUMBER,
    405: REFUSED_INVITE,
    406: NO_CODEC,
    407: {
        True: "{who} asks for credentials ({said}): set username and password of the trunk.",
        False: "{who} asks for a password ({said}): let it take calls from this service without one.",
    },
    408: {
        True: "{who} had no answer from {target} in time ({said}): try again later.",
        False: "{who} gave up ringing ({said}): try again later.",
    },
    410: same("{target} has gone for good ({said}): call its new number."),
    413: TOO_LARGE,
    414: REFUSED_INVITE,
    415: NO_CODEC,
    416: REFUSED_INVITE,
    420: REFUSED_INVITE,
    421: REFUSED_INVITE,
    422: same("{who} wants longer sessions ({said}) than could be agreed: set session_expires to 0 or to 1800."),
    423: REFUSED_INVITE,
    433: {
        True: '{who} takes no anonymous calls ({said}): set privacy = "" and a from_user for the trunk.',
        False: "{who} takes no anonymous calls ({said}): give the call a caller id.",
    },
    439: REFUSED_INVITE,
    480: {
        True: "{target} cannot be reached by {who} now ({said}): it may be switched off, or in no network; try again later.",
        False: "{who} is not available ({said}): it may be on do not disturb, or not logged in.",
    },
    481: same("{who} does not know the call any more ({said}): it, or a proxy before it, was restarted."),
    482: LOOP,
    483: LOOP,
    484: {
        True: "{who} wants a longer number than {target} ({said}): check number_format, prefix_add and rewrite of the trunk.",
        False: "{who} wants a longer number than {target} ({said}): check the uri of the extension.",
    },
    485: NO_NUMBER,
    486: BUSY,
    487: CANCELLED,
    488: NO_CODEC,
    489: REFUSED_INVITE,
    491: same("{who} was negotiating something else each time it was asked ({said}): try again later."),
    493: same("{who} could not decipher the INVITE ({said}): let it take calls without S/MIME."),
    500: FAULT,
    501: REFUSED_INVITE,
    502: FAULT,
    503: {
        True: "{who} has no room for the call ({said}): lower max_calls or calls_per_second, or add another trunk.",
        False: "{who} cannot take the call now ({said}): try again later, or restart it.",
    },
    504: FAULT,
    505: REFUSED_INVITE,
    513: TOO_LARGE,
    580: same("{who} insists on preconditions (RFC 3312), which are not met here ({said}): take them off there."),
    600: BUSY,
    603: DECLINED,
    604: NO_NUMBER,
    606: NO_CODEC,
    607: same("{target} does not want calls from this caller ({said}): do not call again."),
    608: {
        True: "{who} blocked the call as unwanted ({said}): ask the carrier how its filter judges the caller id.",
        False: "{who} blocked the call as unwanted ({said}): allow the caller id there.",
    },
}

BY_CAUSE: dict[str, Pair] = {
    "NO_ANSWER": same(
        "Nobody answered at {target} within {rang}: try again later, or let it ring longer (ring_timeout)."
    ),
    "USER_BUSY": BUSY,
    "ALLOTTED_TIMEOUT": same("The call reached its longest duration: raise max_duration if that was too short."),
    "ORIGINATOR_CANCEL": CANCELLED,
    "LOSE_RACE": same("{target} was answered elsewhere ({said})."),
    "NORMAL_CLEARING": same("{who} ended the call before the two were joined ({said}): make it again."),
    "UNALLOCATED_NUMBER": NO_NUMBER,
    "NO_ROUTE_TRANSIT_NET": NO_NUMBER,
    "NO_ROUTE_DESTINATION": NO_NUMBER,
    "INVALID_NUMBER_FORMAT": NO_NUMBER,
    "NUMBER_CHANGED": same("{target} has another number now ({said}): call that."),
    "REDIRECTION_TO_NEW_DESTINATION": ELSEWHERE,
    "CALL_REJECTED": DECLINED,
    "NO_USER_RESPONSE": BY_CODE[480],
    "SUBSCRIBER_ABSENT": BY_CODE[480],
    "DESTINATION_OUT_OF_ORDER": FAULT,
    "INCOMPATIBLE_DESTINATION": NO_CODEC,
    "BEARERCAPABILITY_NOTAUTH": NO_CODEC,
    "BEARERCAPABILITY_NOTAVAIL": NO_CODEC,
    "BEARERCAPABILITY_NOTIMPL": NO_CODEC,
    "NORMAL_CIRCUIT_CONGESTION": BY_CODE[503],
    "SWITCH_CONGESTION": BY_CODE[503],
    "RESOURCE_UNAVAILABLE": BY_CODE[503],
    "REQUESTED_CHAN_UNAVAIL": BY_CODE[503],
    "OUTGOING_CALL_BARRED": BY_CODE[403],
    "INCOMING_CALL_BARRED": BY_CODE[403],
    "EXCHANGE_ROUTING_ERROR": LOOP,
    "NETWORK_OUT_OF_ORDER": FAULT,
    "NORMAL_TEMPORARY_FAILURE": FAULT,
    "INTERWORKING": REFUSED_INVITE,
    "PROTOCOL_ERROR": REFUSED_INVITE,
    "RECOVERY_ON_TIMER_EXPIRE": same("{who} did not answer in time ({said}): check the way to it ({peer})."),
}

UNUSUAL: Pair = {
    True: "{who} ended the call ({said}): ask the carrier what it means by that.",
    False: "{who} ended the call ({said}): its manual or its log may say what it means by that.",
}
BY_CLASS: dict[int, Pair] = {
    0: UNUSUAL,
    1: UNUSUAL,
    2: UNUSUAL,
    3: ELSEWHERE,
    4: UNUSUAL,
    5: FAULT,
    6: DECLINED,
}
"""For codes and causes that have no sentence of their own."""

ANOTHER_WAS_TRIED = " Another phone or trunk was tried, too."
OTHERS_WERE_TRIED = " {tried} other phones or trunks were tried, too."
