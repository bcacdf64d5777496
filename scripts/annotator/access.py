"""Access to the server: only for its own pages, which know the token."""

import hashlib
import hmac
import ipaddress
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")  # also at the near end of an SSH tunnel, whatever its port
EVERYWHERE = ("0.0.0.0", "::")  # values of --host that listen on all addresses
ASK_AGAIN = "Open the address with the token; the annotator printed it in its terminal.\n"
NOT_OURS = "The annotator does not answer to this name. Start it with --host NAME.\n"
COOKIE = "annotator_"  # prefix of the cookie's name; a suffix identifies the server
WEEK = 7 * 24 * 3600  # seconds that browsers keep the cookie
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
WORKSPACE = "x-workspace"  # header that names the workspace; requests for another one are refused
OTHER_WORK = "Another annotation is served at this address now: load the page again to see it.\n"


class Guard:
    """Lets requests through that carry the token, name this server and come from its own page.

    The Host is checked because a foreign name can be made to lead here (DNS rebinding), the Origin because
    any page a browser shows can send requests here. The first address carries the token; it is moved to a
    cookie that no script sees and no other site's request carries. `host` is the name or address that the
    server listens on.
    """

    def __init__(self, app: ASGIApp, token: str, host: str) -> None:
        self.app = app
        self.token = token
        self.names = {*LOCAL_NAMES, host.lower()}
        self.everywhere = host in EVERYWHERE
        if self.everywhere:
            self.names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        # browsers send a name's cookies to all servers under it, also to those at the near ends of tunnels
        self.cookie = COOKIE + hashlib.sha256(token.encode()).hexdigest()[:16]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        cookies = [value for name, value in asked.cookies.items() if name.startswith(COOKIE)]
        tokens = asked.query_params.getlist("token") or cookies
        refusal = None
        if not self._is_ours(asked.headers, scope["type"]):
            refusal = NOT_OURS
        elif not any(hmac.compare_digest(each.encode(), self.token.encode()) for each in tokens):
            refusal = ASK_AGAIN
        elif asked.headers.get(WORKSPACE, self.cookie) != self.cookie:
            refusal = OTHER_WORK
        if refusal is not None:
            await PlainTextResponse(refusal, status_code=403)(scope, receive, send)
        elif scope["type"] == "http" and "token" in asked.query_params and scope["path"] == "/":
            response = RedirectResponse("/", status_code=303)
            response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", max_age=WEEK)
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, _with_headers(send, self.cookie))

    def _is_ours(self, headers: Headers, kind: str) -> bool:
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name not in self.names and not (self.everywhere and _is_address(name)):
            return False
        origin = headers.get("origin")
        if origin is None:
            return kind == "http"  # browsers send it with every WebSocket
        return origin in (f"http://{host}", f"https://{host}")


def _is_address(name: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return False


def _with_headers(send: Send, workspace: str) -> Send:
    """Add the workspace and security headers."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("cache-control", "no-store")
            headers[WORKSPACE] = workspace
            headers["content-security-policy"] = POLICY
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "no-referrer"
        await send(message)

    return sending
