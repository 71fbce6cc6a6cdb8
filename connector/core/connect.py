"""The page with the data that a PBX needs to connect, as text ready to paste. Pure; the words are for a PBX's admin."""

from __future__ import annotations

from dataclasses import dataclass, field

from connector.core.sip import Options
from connector.words import marked, phrase

# What stands in place of the password: it is stored as a digest only, so nobody can show it again.
LOST = marked("(shown once, when it was made)")


@dataclass(frozen=True)
class Connection:
    """What there is to know. `server` and `port`: ours. `password`: None if it is known to nobody now.

    `address` and `pbx_port`: where a PBX without registration has to call from.
    """

    profile: str
    username: str
    realm: str
    server: str
    port: int
    channels: int
    numbers: tuple[str, ...]
    options: Options
    password: str | None = field(default=None, repr=False)
    address: str | None = None
    pbx_port: int | None = None


def table(found: Connection) -> list[tuple[str, str]]:
    """What every PBX asks for, by the names that most of them use."""
    options = found.options
    rows = [
        (marked("SIP server (registrar, proxy, domain)"), found.server),
        (marked("Port"), str(found.port)),
        (marked("Transport"), options.transport.upper()),
    ]
    if found.address is None:
        rows += [
            (marked("User name (authentication name, From user)"), found.username),
            (marked("Password"), LOST if found.password is None else found.password),
            (marked("Realm"), found.realm),
            (marked("Registration"), marked("yes, every 300 s; it is challenged by digest (MD5)")),
        ]
    else:
        rows += [
            (marked("Registration"), marked("no; no user name, no password")),
            (
                marked("Your PBX calls from"),
                phrase("{address}, UDP port {port}, and from nowhere else", address=found.address, port=found.pbx_port),
            ),
        ]
    return [
        *rows,
        (marked("Numbers you dial"), marked("+ and country code, or 00 and country code")),
        (
            marked("Number that is called"),
            marked("in the Request-URI, To and P-Called-Party-ID, as + and country code")
            if options.called_in == "uri"
            else marked("in P-Called-Party-ID, as + and country code"),
        ),
        (marked("Caller ID"), marked("the number in From")),
        (marked("Codecs"), ", ".join(options.codecs)),
        ("DTMF", options.dtmf),
        (marked("Media encryption"), "SRTP (SDES)" if options.srtp else marked("none")),
        (marked("Channels"), str(found.channels)),
        (marked("Numbers"), ", ".join(found.numbers) or marked("none yet")),
    ]


def asterisk(found: Connection) -> str:
    """pjsip.conf for an Asterisk (16 and later), and the lines of its dialplan."""
    options, name = found.options, f"connect-{found.username}"
    uri = f"sip:{found.server}:{found.port}" + (
        "" if options.transport == "udp" else f"\\;transport={options.transport}"
    )
    endpoint = [
        f"[{name}]",
        "type = endpoint",
        f"context = from-{name}",
        f"; your own transport for {options.transport}",
        f"transport = transport-{options.transport}",
        "disallow = all",
        f"allow = {','.join(options.codecs)}",
        f"dtmf_mode = {options.dtmf}",
        "direct_media = no",
        f"aors = {name}",
        *(["media_encryption = sdes"] if options.srtp else []),
    ]
    rest = ["", f"[{name}]", "type = aor", f"contact = {uri}", "qualify_frequency = 60"]
    if found.address is not None:  # who registers is called by the line in its contact
        rest += ["", f"[{name}]", "type = identify", f"endpoint = {name}", f"match = {found.server}:{found.port}"]
    if found.address is None:
        endpoint += [f"outbound_auth = {name}", f"from_domain = {found.server}"]
        password = (LOST if found.password is None else found.password).replace(";", "\\;")
        rest += [
            "",
            f"[{name}]",
            "type = auth",
            "auth_type = digest",
            f"username = {found.username}",
            f"password = {password}",
            "",
            f"[{name}]",
            "type = registration",
            f"transport = transport-{options.transport}",
            f"server_uri = {uri}",
            f"client_uri = sip:{found.username}@{found.server}",
            f"contact_user = {found.username}",
            f"outbound_auth = {name}",
            "expiration = 300",
            "; the defaults give up at the first failure",
            "retry_interval = 30",
            "forbidden_retry_interval = 300",
            "fatal_retry_interval = 300",
            "max_retries = 1000000",
            "auth_rejection_permanent = no",
            "line = yes",
            f"endpoint = {name}",
        ]
    dialplan = [
        "",
        "; extensions.conf: calls out, dialled as + and country code",
        f";   exten => _+X.,1,Dial(PJSIP/${{EXTEN}}@{name})",
        f"; calls in: the number that is called is in a header (contact user {found.username})",
        f";   [from-{name}]",
        ";   exten => _.,1,Set(CALLED=${PJSIP_HEADER(read,P-Called-Party-ID)})",
        ";    same => n,Set(CALLED=${CUT(CALLED,:,2)})",
        ";    same => n,Set(CALLED=${FILTER(+0-9,${CUT(CALLED,@,1)})})",
        ";    same => n,Goto(from-trunk,${CALLED},1)",
    ]
    return "\n".join([*endpoint, *rest, *dialplan]) + "\n"


def freepbx(found: Connection) -> list[tuple[str, str]]:
    """Connectivity > Trunks > Add Trunk > Add SIP (chan_pjsip) Trunk: the fields by their names (FreePBX 16 and 17)."""
    options = found.options
    registers = found.address is None
    rows = [
        ("General: Trunk Name", found.username),
        ("General: Maximum Channels", str(found.channels)),
        ("pjsip Settings, General: Username", found.username if registers else ""),
        ("pjsip Settings, General: Auth username", found.username if registers else ""),
        ("pjsip Settings, General: Secret", (LOST if found.password is None else found.password) if registers else ""),
        ("pjsip Settings, General: Authentication", "Outbound" if registers else "None"),
        ("pjsip Settings, General: Registration", "Send" if registers else "None"),
        ("pjsip Settings, General: SIP Server", found.server),
        ("pjsip Settings, General: SIP Server Port", str(found.port)),
        ("pjsip Settings, General: Context", "from-pstn"),
        ("pjsip Settings, General: Transport", f"0.0.0.0-{options.transport}"),
        ("pjsip Settings, Advanced: DTMF Mode", options.dtmf.upper() if options.dtmf == "rfc4733" else options.dtmf),
        ("pjsip Settings, Advanced: Send Line in Registration", "Yes" if registers else "No"),
        ("pjsip Settings, Advanced: Permanent Auth Rejection", "No"),
        ("pjsip Settings, Advanced: Contact User", found.username if registers else ""),
        ("pjsip Settings, Advanced: From Domain", found.server if registers else ""),
        ("pjsip Settings, Advanced: Send RPID/PAI", "Send P-Asserted-Identity header"),
        ("pjsip Settings, Advanced: Direct Media", "No"),
        ("pjsip Settings, Advanced: Media Encryption", "SRTP via in-SDP (recommended)" if options.srtp else "None"),
        ("pjsip Settings, Codecs", ", ".join(options.codecs)),
        ("Dialed Number Manipulation Rules", "prepend + and the country code to what you dial"),
        *(
            [("Inbound Routes: DID Number", ", ".join(found.numbers) + ": an inbound route each")]
            if options.called_in == "uri" and found.numbers
            else []
        ),
        *(
            [("Here, first", "set 'called in' of this profile to 'uri': FreePBX looks for the DID in the Request-URI")]
            if options.called_in != "uri"
            else []
        ),
    ]
    return [(name, value) for name, value in rows if value]


def own_dialplan(username: str, context: str, *, freepbx: bool = False) -> str:
    """What an admin writes in the dialplan of the Asterisk that is the PBX of a client profile. `freepbx`: for its
    extensions_custom.conf, where a custom trunk dials the first context and calls in go to its inbound routes.
    """
    if freepbx:
        return f"""\
; extensions_custom.conf. The custom trunk's dial string: Local/$OUTNUM$@connector-line/n
[connector-line]
exten => _+X.,1,Set(__CONNECTOR_PROFILE={username})
 same => n,Goto(connector-from-profile,${{EXTEN}},1)

; calls in go on to the inbound routes, by the number that is called
[{context}]
include => from-trunk
"""
    return f"""\
; extensions.conf, in the context of your phones: calls out, dialled as + and country code. Emergency numbers are not
; among them: your own dialplan sends those to a line that brings help
exten => _+X.,1,Set(__CONNECTOR_PROFILE={username})
 same => n,Goto(connector-from-profile,${{EXTEN}},1)

; calls in arrive here, by the number that is called
[{context}]
exten => _+X.,1,Dial(PJSIP/your-phone)
"""
