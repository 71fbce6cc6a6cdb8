"""A PBX whose files are laid out as FreePBX 16 and 17 lay them out, in words of our own, with a trunk to us.

Which file includes which, what the objects of a chan_pjsip trunk have, and what a trunk's failure leads to were read in
the sources of FreePBX's modules core, framework, arimanager and cel. `FILES` are its files without a trunk; `trunk` is
what FreePBX makes of the fields that `connector profile connect --for freepbx` prints.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab import pbx
from lab.pbx import EXTENSION, PASSWORD, StockPbx
from lab.ports import HOST, free_udp_port
from lab.root import Asterisk

TRANSPORT = "0.0.0.0-udp"
# The files that are the admin's, and are empty at first. FreePBX includes them: without one, Asterisk reads nothing.
CUSTOM = (
    "extensions_override_freepbx.conf",
    "extensions_custom.conf",
    "pjsip_custom.conf",
    "pjsip_custom_post.conf",
    "pjsip.transports_custom.conf",
    "pjsip.endpoint_custom.conf",
    "pjsip.aor_custom.conf",
    "pjsip.auth_custom.conf",
    "pjsip.registration_custom.conf",
    "pjsip.identify_custom.conf",
    "http_custom.conf",
    "ari_general_custom.conf",
    "ari_additional_custom.conf",
    "manager_additional.conf",
    "manager_custom.conf",
    "cel_general_custom.conf",
    "cel_custom_post.conf",
)
FILES = {
    "modules.conf": "[modules]\nautoload=yes\n",
    "logger.conf": "[general]\n[logfiles]\n#include logger_logfiles_additional.conf\n",
    "logger_logfiles_additional.conf": "console => error,notice,warning\nfull => error,notice,verbose,warning\n",
    "http.conf": "#include http_additional.conf\n#include http_custom.conf\n",
    "http_additional.conf": "[general]\nenabled=no\nbindaddr=@host@\nbindport=@http_port@\nprefix=\nsessionlimit=100\n",
    "ari.conf": "[general]\n#include ari_general_additional.conf\n#include ari_general_custom.conf\n\n"
    "#include ari_additional.conf\n#include ari_additional_custom.conf\n",
    "ari_general_additional.conf": "enabled=no\npretty=no\nwebsocket_write_timeout=100\n",
    "ari_additional.conf": "[freepbxuser]\ntype=user\npassword=not-ours\npassword_format=plain\n",
    "manager.conf": "[general]\nenabled = yes\nport = @ami_port@\nbindaddr = @host@\ndisplayconnects=no\n\n"
    "[admin]\nsecret = not-ours\ndeny=0.0.0.0/0.0.0.0\npermit=127.0.0.1/255.255.255.0\nread = all\nwrite = all\n\n"
    "#include manager_additional.conf\n#include manager_custom.conf\n",
    "cel.conf": "[general]\n#include cel_general_additional.conf\n#include cel_general_custom.conf\n\n"
    "#include cel_custom_post.conf\n",
    "cel_general_additional.conf": "enable=yes\nevents=all\ndateformat=%F %T\n",
    "pjsip.conf": "#include pjsip_custom.conf\n"
    + "".join(
        f"#include pjsip.{kind}.conf\n"
        for kind in ("transports", "endpoint", "aor", "auth", "registration", "identify")
    )
    + "\n[global]\ntype=global\nuser_agent=FPBX-look-alike\n#include pjsip_custom_post.conf\n",
    "pjsip.transports.conf": f"[{TRANSPORT}]\ntype=transport\nprotocol=udp\nbind=0.0.0.0:@port@\n\n"
    "#include pjsip.transports_custom.conf\n",
    "pjsip.endpoint.conf": "#include pjsip.endpoint_custom.conf\n\n[@extension@]\ntype=endpoint\naors=@extension@\n"
    "auth=@extension@-auth\ncontext=from-internal\ndisallow=all\nallow=ulaw,alaw\ndirect_media=no\n\n",
    "pjsip.aor.conf": "#include pjsip.aor_custom.conf\n\n[@extension@]\ntype=aor\nmax_contacts=1\n"
    "remove_existing=yes\n\n",
    "pjsip.auth.conf": "#include pjsip.auth_custom.conf\n\n[@extension@-auth]\ntype=auth\nauth_type=userpass\n"
    "username=@extension@\npassword=@password@\n\n",
    "pjsip.registration.conf": "#include pjsip.registration_custom.conf\n\n",
    "pjsip.identify.conf": "#include pjsip.identify_custom.conf\n\n",
    "extensions.conf": """\
; made by FreePBX: it says so here
#include extensions_override_freepbx.conf
#include extensions_additional.conf
#include extensions_custom.conf

[from-trunk]
include => from-pstn

[from-pstn]
include => from-pstn-custom
include => ext-did
""",
    "extensions_additional.conf": """\
[from-internal]
include => from-internal-custom
include => ext-local
include => outrt-1

[ext-local]
exten => @extension@,1,Dial(PJSIP/@extension@,30)
 same => n,Hangup(${HANGUPCAUSE})

; an inbound route each: by the number that is called
[ext-did]
@dids@

; the outbound route: one trunk after the other
[outrt-1]
exten => _+X.,1,Gosub(dialout-trunk,s,1(1,${EXTEN}))
 same => n,Gosub(dialout-trunk,s,1(2,${EXTEN}))
 same => n,Congestion(20)

; What a trunk's failure leads to: busy, no answer, a changed number and a wrong number end it, all else goes on.
[dialout-trunk]
exten => s,1,Set(DIAL_TRUNK=${ARG1})
 same => n,Dial(${OUT_${DIAL_TRUNK}_PREFIX}${ARG2}${OUT_${DIAL_TRUNK}_SUFFIX},300,T)
 same => n,Goto(s-${DIALSTATUS},1)
exten => s-ANSWER,1,Hangup()
exten => s-BUSY,1,Busy(20)
exten => s-NOANSWER,1,Hangup(19)
exten => s-INVALIDNMBR,1,Hangup(1)
exten => _s-.,1,Goto(${HANGUPCAUSE},1)
exten => 17,1,Goto(s-BUSY,1)
exten => 18,1,Goto(s-NOANSWER,1)
exten => 22,1,Goto(s-INVALIDNMBR,1)
exten => 1,1,Goto(s-INVALIDNMBR,1)
exten => 28,1,Goto(s-INVALIDNMBR,1)
exten => _X,1,Return()
exten => _XX,1,Return()
exten => _XXX,1,Return()

[globals]
@globals@
""",
}


def files(
    *, port: int, http_port: int, ami_port: int, dids: Mapping[str, str] | None = None, outs: str = ""
) -> dict[str, str]:
    """All files, the admin's empty ones among them. `dids`: by number, what its inbound route does, as Asterisk's
    dialplan has it. `outs`: global variables, which say how each trunk is dialled.
    """
    lines = [f"exten => {number},1,{action}\n same => n,Hangup()" for number, action in (dids or {}).items()]
    words = {
        "host": HOST,
        "port": str(port),
        "http_port": str(http_port),
        "ami_port": str(ami_port),
        "extension": EXTENSION,
        "password": PASSWORD,
        "dids": "\n".join(lines),
        "globals": outs,
    }
    made = dict.fromkeys(CUSTOM, "") | FILES
    for word, value in words.items():
        made = {name: text.replace(f"@{word}@", value) for name, text in made.items()}
    return made


def chown(etc: Path, uid: int, gid: int) -> None:
    """What `fwconsole chown` does to Asterisk's config folder at each start of FreePBX: one owner, folders 0750 and
    files 0640, but for the folders that freepbx_chown.conf names and what is in them.
    """
    settings = etc / "freepbx_chown.conf"
    lines = settings.read_text().splitlines() if settings.exists() else []
    kept = [Path(line.partition("=")[2].strip()) for line in lines if line.startswith("directory")]
    for path in (etc, *etc.rglob("*")):
        if not any(path == folder or folder in path.parents for folder in kept):
            os.chown(path, uid, gid)
            path.chmod(0o750 if path.is_dir() else 0o640)


def trunk(fields: Mapping[str, str], matches: str) -> dict[str, str]:
    """What FreePBX adds to its files, by their names, for a chan_pjsip trunk with these fields. `matches`: the field
    "Match (Permit)": here the phone calls from the address of the trunk's server, and only the port tells them apart.
    """

    def field(page: str, name: str) -> str:
        return fields.get(f"pjsip Settings, {page}: {name}", "")

    name = fields["General: Trunk Name"]
    server = f"{field('General', 'SIP Server')}:{field('General', 'SIP Server Port')}"
    user = field("General", "Username")
    codecs = fields["pjsip Settings, Codecs"].replace(" ", "")
    endpoint = [
        "type=endpoint",
        f"transport={field('General', 'Transport')}",
        f"context={field('General', 'Context')}",
        f"disallow=all\nallow={codecs}",
        f"aors={name}",
        "send_connected_line=yes",
        "rtp_keepalive=0",
        f"outbound_auth={name}",
        f"from_domain={field('Advanced', 'From Domain')}",
        f"contact_user={field('Advanced', 'Contact User')}",
        "send_pai=yes",
        "direct_media=no",
        f"dtmf_mode={field('Advanced', 'DTMF Mode').lower()}",
    ]
    registration = [
        "type=registration",
        f"transport={field('General', 'Transport')}",
        f"outbound_auth={name}",
        "retry_interval=2\nfatal_retry_interval=30\nforbidden_retry_interval=30\nmax_retries=10000\nexpiration=3600",
        "auth_rejection_permanent=no",
        f"line={field('Advanced', 'Send Line in Registration').lower()}\nendpoint={name}",
        f"contact_user={field('Advanced', 'Contact User')}",
        f"server_uri=sip:{server}\nclient_uri=sip:{user}@{server}",
    ]
    auth = ["type=auth", "auth_type=userpass", f"password={field('General', 'Secret')}", f"username={user}"]
    aor = ["type=aor", "qualify_frequency=60", f"contact=sip:{user}@{server}"]
    identify = ["type=identify", f"endpoint={name}", f"match={matches}"]
    kinds = {"endpoint": endpoint, "registration": registration, "auth": auth, "aor": aor, "identify": identify}
    return {f"pjsip.{kind}.conf": "\n".join([f"[{name}]", *lines]) + "\n\n" for kind, lines in kinds.items()}


def plain_trunk(name: str, port: int) -> dict[str, str]:
    """What FreePBX adds for a trunk without registration and password, to `port` on this machine."""
    endpoint = [
        "type=endpoint",
        f"transport={TRANSPORT}",
        "context=from-pstn",
        "disallow=all",
        "allow=alaw",
        f"aors={name}",
    ]
    kinds = {"endpoint": endpoint, "aor": ["type=aor", f"contact=sip:{HOST}:{port}"]}
    return {f"pjsip.{kind}.conf": "\n".join([f"[{name}]", *lines]) + "\n\n" for kind, lines in kinds.items()}


@contextmanager
def running(
    asterisk: Asterisk, folder: Path, fields: Mapping[str, str], matches: str, spare: int, dids: Mapping[str, str]
) -> Iterator[StockPbx]:
    """The look-alike, with a trunk by `fields` and after it one to the port `spare`; ended afterwards."""
    port, name = free_udp_port(), fields["General: Trunk Name"]
    outs = [
        "OUT_1_PREFIX=PJSIP/",
        f"OUT_1_SUFFIX=@{name}",
        "OUT_2_PREFIX=PJSIP/",
        "OUT_2_SUFFIX=@spare",
    ]
    texts = files(port=port, http_port=free_udp_port(), ami_port=free_udp_port(), dids=dids, outs="\n".join(outs))
    for more in (trunk(fields, matches), plain_trunk("spare", spare)):
        texts = {file: text + more.get(file, "") for file, text in texts.items()}
    with pbx.started_with(asterisk, folder, texts, port) as made:
        yield made
