"""What the far end's Asterisk plays: which numbers its carrier has, and how its PBX registers to us."""

from __future__ import annotations

# +44 20 7946 0xxx: numbers that Ofcom keeps for drama. They will never ring anybody.
NUMBERS = {
    "answered": "+442079460001",
    "busy": "+442079460002",
    "no_answer": "+442079460003",
    "unknown": "+442079460004",
    "unavailable": "+442079460005",
    "hangs_up": "+442079460006",
    "rings_briefly": "+442079460007",
    "answers_late": "+442079460008",
    # 555-01xx: kept for fiction in the United States.
    "answered_us": "+12125550123",
}


def registration(username: str, password: str) -> str:
    """pjsip config with which a PBX registers to us as a profile: what a customer's Asterisk would have."""
    return f"""\
[{username}]
type = registration
transport = pbx-udp
server_uri = sip:@sip_host@:@sip_port@
client_uri = sip:{username}@@sip_host@
contact_user = pbx-{username}
outbound_auth = {username}
expiration = 3600
max_random_initial_delay = 0
; It never gives up: our Asterisk may start after it, or be killed and come back.
retry_interval = 2
forbidden_retry_interval = 10
fatal_retry_interval = 10
max_retries = 1000000
auth_rejection_permanent = no

[{username}]
type = auth
auth_type = digest
username = {username}
password = {password}
"""
