"""Who is answered: pages of the server itself alone, with its token, and with nothing from elsewhere."""

import asyncio
import http.client
import json
import socket

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from scripts.annotator.access import MOST_COOKIES, Guard
from tests.annotator.browser import Annotator
from tests.annotator.parts import Server, stroke, write_frames


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotator")
    running = Server(write_frames(folder / "clip"), "--workspace", folder / "w")
    (folder / "secret.txt").write_text("secret")
    yield running
    assert running.stop() == 143


def ask(server, path, method="GET", body=None, token=True, raw=False, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        headers["Cookie"] = f"annotator_{server.port}={server.token}"
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    connection.request(method, path, body if raw or body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


PATHS = [
    "/",
    "/api/state",
    "/frames/0.jpg",
    "/masks/0/0.png",
    "/thumbnails/0.jpg",
    "/static/app.js",
    "/exports/x",
    "/nothing",
]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_answered_without_the_token(server, path):
    for wrong in ({}, {"Cookie": "annotator_1=wrong"}, {"Cookie": "another=" + server.token}):
        answer, content = ask(server, path, token=False, **wrong)
        assert answer.status == 403
        assert b"Open the address" in content
    assert ask(server, f"{path}?token=wrong")[0].status == 403


def test_the_token_becomes_a_cookie_that_no_script_or_other_site_sees(server):
    answer, _ = ask(server, f"/?token={server.token}", token=False)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    answer, content = ask(server, "/")
    assert answer.status == 200
    assert server.token.encode() not in content
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", ""])
def test_other_names_of_the_host_are_refused(server, host):
    assert ask(server, "/api/state", Host=host)[0].status in (400, 403)


def test_a_server_for_all_addresses_is_found_by_the_full_name_of_its_machine(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Box")
    monkeypatch.setattr(socket, "getfqdn", lambda: "Box.lab.example")
    guard = Guard(None, "token", "0.0.0.0")
    assert "Open the address, with its token" in answer_of(guard, "box.lab.example:80")
    assert "start it with --host NAME." in answer_of(guard, "other.example")


def answer_of(application, host):
    """What an application says to a request without a token."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/", "query_string": b"", "headers": [(b"host", host.encode())]}
    asyncio.run(application(scope, None, send))
    return sent[1]["body"].decode()


def test_servers_behind_tunnels_do_not_log_each_other_out(server, tmp_path):
    """Browsers keep one cookie of a name for all ports."""
    other = Annotator(write_frames(tmp_path / "clip"), tmp_path / "w")
    other.token = other.session.workspace.token
    names = set()
    for each in (server, other):
        answer, _ = ask(each, f"/?token={each.token}", token=False, Host="localhost:8765")
        names.add(answer.headers["set-cookie"].partition("=")[0])
    assert len(names) == 2
    both = f"annotator_a={server.token}; annotator_b={other.token}"
    assert [ask(each, "/", token=False, Cookie=both)[0].status for each in (server, other)] == [200, 200]
    other.close()


def test_cookies_of_the_oldest_annotations_are_removed(server):
    """All of them together would be too long for the headers of a WebSocket."""
    old = [f"annotator_{number:016}" for number in range(90)]
    own = Guard(None, server.token, "").cookie  # the oldest of all, and kept
    cookie = "; ".join(f"{name}={'x' * 32}" for name in (own, *old))
    answer, _ = ask(server, f"/?token={server.token}", token=False, Cookie=cookie)
    lines = answer.headers.get_all("set-cookie")
    assert [line.partition("=")[0] for line in lines if "Max-Age=0" in line] == old[:-MOST_COOKIES]
    assert sum(server.token in line for line in lines) == 1
    kept = [*(f"{name}={'x' * 32}" for name in old[-MOST_COOKIES:]), f"annotator_a={server.token}"]
    url, origin = (f"{scheme}://127.0.0.1:{server.port}" for scheme in ("ws", "http"))
    headers = {"Cookie": "; ".join(kept)}
    with connect(f"{url}/api/events", origin=origin, additional_headers=headers) as socket:
        assert json.loads(socket.recv(timeout=10)) == {"hello": True}


def test_the_near_end_of_a_tunnel_is_let_in_whatever_its_port(server):
    for host in ("localhost:9999", "127.0.0.1:1", "[::1]:80"):
        assert ask(server, "/api/state", Host=host)[0].status == 200
        assert ask(server, "/api/undo", "POST", {}, Host=host, Origin=f"http://{host}")[0].status == 422


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://", "http://["]
)
def test_other_origins_are_refused(server, origin):
    body = {"kind": "add", "name": "a", "colour": "#000000"}
    assert ask(server, "/api/edit", "POST", body, Origin=origin)[0].status == 403
    assert ask(server, "/api/state", Origin=origin)[0].status == 403
    assert json.loads(ask(server, "/api/state")[1])["objects"] == []


def test_forms_of_other_kinds_are_refused(server):
    assert ask(server, "/api/edit", "POST", {}, Content_Type="text/plain")[0].status == 415


def test_events_are_for_our_page_alone(server):
    url, cookie = f"ws://127.0.0.1:{server.port}/api/events", f"annotator_{server.port}={server.token}"
    good = f"http://127.0.0.1:{server.port}"
    for origin, given in ((good, "x=y"), ("http://evil.example", cookie), (None, cookie)):
        with pytest.raises(InvalidStatus), connect(url, origin=origin, additional_headers={"Cookie": given}):
            pass
    with connect(url, origin=good, additional_headers={"Cookie": cookie}) as socket:
        assert json.loads(socket.recv(timeout=10)) == {"hello": True}


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../secret.txt",
        "/static/%2e%2e/%2e%2e/secret.txt",
        "/exports/..%2f..%2fsecret.txt",
        "/exports/%2e%2e",
        "/exports/.%2f..%2fedits.jsonl",
        "/exports/..",
        "/frames/-1.jpg",
        "/frames/99.jpg",
        "/masks/0/77.png",
        "/thumbnails/9999.jpg",
    ],
)
def test_no_path_leads_outside(server, path):
    answer, content = ask(server, path)
    assert answer.status in (400, 404, 422)
    assert b"secret" not in content
    assert b'"n":1' not in content


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/edit", []),
        ("/api/edit", {"kind": "stroke"}),
        ("/api/edit", {"kind": "erase", "object": 1, "first": 0, "last": 10**9}),
        ("/api/edit", {"kind": "scribble", "frame": 0, "object": 7, "points": [[1, 2]], "positive": True}),
        ("/api/propagate", {}),
        ("/api/propagate", {"first": 5, "last": 2}),
        ("/api/edit", {"kind": ["stroke"]}),
        ("/api/edit", {**stroke([[10**400, 1]]), "object": 1}),
        ("/api/edit", stroke([[1, 2]] * 20_001)),
        ("/api/export", {"kind": "../x"}),
        ("/api/export", {"kind": ["png"]}),
        ("/api/fit", {"minutes": "long"}),
        ("/api/undo", {}),
        *((f"/api/{name}", [1]) for name in ("undo", "redo", "propagate", "cancel", "export", "fit")),
    ],
)
def test_what_cannot_be_done_is_explained(server, path, body):
    answer, content = ask(server, path, "POST", body)
    assert answer.status == 422
    assert json.loads(content)["error"].endswith(".")


def test_json_that_is_nested_too_deeply_is_refused(server):
    answer, content = ask(server, "/api/edit", "POST", "[" * 100_000 + "]" * 100_000, raw=True)
    assert (answer.status, json.loads(content)["error"]) == (422, "this JSON is nested too deeply.")


def test_text_that_is_no_unicode_does_not_lock_the_page_out(server):
    """Half a character, as JSON can write it."""
    answer, _ = ask(server, "/api/edit", "POST", {"kind": "add", "name": "a\ud800", "colour": "#000000"})
    assert answer.status == 200
    assert json.loads(ask(server, "/api/state")[1])["objects"][0]["name"] == "a\ud800"
    assert ask(server, "/api/undo", "POST", {})[0].status == 200


def test_a_fault_of_the_server_is_said(server):
    headers = {"Content_Type": "multipart/form-data; boundary=x"}
    part = '--x\r\nContent-Disposition: form-data; name="files"; filename="{}.png"\r\n\r\na\r\n'
    form = part.format(1) + part.format("\0") + "--x--\r\n"  # no file system takes the second name
    answer, content = ask(server, "/api/import", "POST", form, raw=True, **headers)
    assert answer.status == 500
    assert json.loads(content)["error"].startswith("Not saved: the annotator failed with ValueError")


def test_damaged_requests_do_no_harm(server):
    for junk in (
        b"\0" * 100,
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/edit HTTP/1.1\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(junk)
    assert ask(server, "/api/state")[0].status == 200


def test_frames_and_masks_may_be_kept_for_ever_and_the_state_never(server):
    identity = json.loads(ask(server, "/api/state")[1])["video"]["workspace_id"]
    for path in ("/frames/3.jpg?v=1", f"/masks/0/0.png?w={identity}"):
        assert "immutable" in ask(server, path)[0].headers["cache-control"]
    for path in ("/", "/api/state", "/masks/0/0.png", "/masks/0/0.png?w=another"):
        assert ask(server, path)[0].headers["cache-control"] == "no-store"


def bring_in(server, name, content, frame="0", other=None):
    boundary = "x"
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="frame"\r\n\r\n{frame}\r\n'
    for each in filter(None, (name, other)):
        body += (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="files"; filename="{each}"\r\n\r\n{content}\r\n'
        )
    body += f"--{boundary}--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {
        "Cookie": f"annotator_{server.port}={server.token}",
        "Content-Type": f"multipart/form-data; boundary={boundary}",
    }
    connection.request("POST", "/api/import", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_errors_of_what_is_brought_in_name_the_users_file_alone(server):
    status, said = bring_in(server, "../../../escaped.png", "no picture")
    assert status == 422
    assert json.loads(said)["error"].startswith("escaped.png cannot be read as a picture")


def test_two_files_of_one_name_are_not_brought_in(server):
    status, said = bring_in(server, "a/00003.png", "one", other="b/00003.png")
    assert status == 422
    assert json.loads(said)["error"] == "00003.png is there twice: choose one file for each name."


def test_strange_files_are_named_without_a_folder(server):
    status, said = bring_in(server, "00003.png", "one", other="mask of mine.png")
    assert status == 422
    assert json.loads(said)["error"].startswith("mask of mine.png in the files (1 such) is not named after")


@pytest.mark.parametrize("frame", ["x", "-1", "77", "", "9" * 5000])
def test_masks_are_brought_in_for_frames_that_there_are(server, frame):
    status, said = bring_in(server, "mask.png", "no picture", frame)
    assert status == 422 and "they go from 0 to 11." in said
