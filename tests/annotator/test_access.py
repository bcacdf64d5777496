"""The server answers only its own pages, which have its token, and explains wrong requests."""

import http.client
import json
import socket

import pytest
from starlette.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from scripts.annotator.access import Guard
from tests.annotator.browser import Annotator
from tests.annotator.parts import Server, stroke, write_frames


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotator")
    running = Server(write_frames(folder / "clip"), "--workspace", folder / "w")
    (folder / "secret.txt").write_text("secret")
    yield running
    assert running.stop() == 143


def ask(server, path, method="GET", body=None, token=True, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        headers["Cookie"] = f"annotator_{server.port}={server.token}"
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    connection.request(method, path, text, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_nothing_is_answered_without_the_token(server):
    paths = "", "api/state", "frames/0.jpg", "masks/0/0.png", "static/app.js", "exports/x", "nothing"
    for path in (f"/{path}" for path in paths):
        for wrong in ({}, {"Cookie": "annotator_1=wrong"}, {"Cookie": "another=" + server.token}):
            answer, content = ask(server, path, token=False, **wrong)
            assert answer.status == 403
            assert b"Open the address" in content
        assert ask(server, f"{path}?token=wrong")[0].status == 403


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_read(server):
    answer, _ = ask(server, f"/?token={server.token}", token=False)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    answer, content = ask(server, "/")
    assert answer.status == 200
    assert server.token.encode() not in content
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_other_names_of_the_host_are_refused(server):
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[", ""):
        assert ask(server, "/api/state", Host=host)[0].status in (400, 403)
    for host in ("localhost:9999", "127.0.0.1:1", "[::1]:80"):  # the near ends of tunnels
        assert ask(server, "/api/state", Host=host, Origin=f"http://{host}")[0].status == 200


def test_a_server_for_all_addresses_is_found_by_the_full_name_of_its_machine(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Box")
    monkeypatch.setattr(socket, "getfqdn", lambda: "Box.lab.example")
    guard = Guard(None, "token", "0.0.0.0")
    assert guard._is_ours(Headers({"host": "box.lab.example:80"}), "http")
    assert not guard._is_ours(Headers({"host": "other.example"}), "http")


def test_servers_behind_tunnels_do_not_log_each_other_out(server, tmp_path):
    """Browsers keep one cookie of a name for all ports."""
    other = Annotator(write_frames(tmp_path / "clip"), tmp_path / "w")

    names = set()
    for each in (server, other):
        answer, _ = ask(each, f"/?token={each.token}", token=False, Host="localhost:8765")
        names.add(answer.headers["set-cookie"].partition("=")[0])
    assert len(names) == 2
    both = f"annotator_a={server.token}; annotator_b={other.token}"
    assert [ask(each, "/", token=False, Cookie=both)[0].status for each in (server, other)] == [200, 200]
    other.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://["])
def test_other_origins_are_refused(server, origin):
    body = {"kind": "add", "name": "a", "colour": "#000000"}
    assert ask(server, "/api/edit", "POST", body, Origin=origin)[0].status == 403
    assert ask(server, "/api/state", Origin=origin)[0].status == 403
    assert json.loads(ask(server, "/api/state")[1])["objects"] == []


def test_only_the_page_of_the_server_gets_events(server):
    url, cookie = f"ws://127.0.0.1:{server.port}/api/events", f"annotator_{server.port}={server.token}"
    good = f"http://127.0.0.1:{server.port}"
    for origin, given in ((good, "x=y"), ("http://evil.example", cookie), (None, cookie)):
        with pytest.raises(InvalidStatus), connect(url, origin=origin, additional_headers={"Cookie": given}):
            pass
    with connect(url, origin=good, additional_headers={"Cookie": cookie}) as socket:
        assert json.loads(socket.recv(timeout=10)) == {"hello": True}


OUTSIDE = """
/static/../../../secret.txt /static/%2e%2e/%2e%2e/secret.txt /exports/..%2f..%2fsecret.txt /exports/%2e%2e
/exports/.%2f..%2fedits.jsonl /exports/.. /frames/-1.jpg /frames/99.jpg /masks/0/77.png /thumbnails/9999.jpg
"""


def test_no_path_leads_outside(server):
    for path in OUTSIDE.split():
        answer, content = ask(server, path)
        assert answer.status in (400, 404, 422)
        assert b"secret" not in content
        assert b'"n":1' not in content


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("edit", []),
        ("edit", {"kind": "scribble", "frame": 0, "object": 7, "points": [[1, 2]], "positive": True}),
        ("edit", {**stroke([[10**400, 1]]), "object": 1}),
        ("edit", {"kind": "add", "name": "a\ud800", "colour": "#000000"}),
        ("propagate", {}),
        ("export", {"kind": ["png"]}),
        ("fit", {"minutes": "long"}),
        ("edit", {"kind": "undo"}),
        ("edit", {"kind": "redo"}),
        ("cancel", [1]),
    ],
)
def test_wrong_requests_are_explained(server, path, body):
    answer, content = ask(server, f"/api/{path}", "POST", body)
    assert answer.status == 422
    assert json.loads(content)["error"].endswith(".")


def test_browsers_cache_frames_and_masks_but_never_the_state(server):
    identity = json.loads(ask(server, "/api/state")[1])["video"]["workspace_id"]
    for path in ("/frames/3.jpg?v=1", f"/masks/0/0.png?w={identity}"):
        assert "immutable" in ask(server, path)[0].headers["cache-control"]
    for path in ("/", "/api/state", "/masks/0/0.png", "/masks/0/0.png?w=another", "/static/app.js"):
        assert ask(server, path)[0].headers["cache-control"] == "no-store"


def import_masks(server, *names, content="no picture", frame="0"):
    part = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    body = part.format("frame", "", frame)
    body += "".join(part.format("files", f'; filename="{name}"', content) for name in names) + "--x--\r\n"
    headers = {"Content_Type": "multipart/form-data; boundary=x"}
    answer, said = ask(server, "/api/import", "POST", body, **headers)
    return answer.status, json.loads(said)["error"]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["../../../escaped.png"], "escaped.png cannot be read as a picture"),
        (["a/00003.png", "b/00003.png"], "00003.png is there twice: choose one file for each name."),
        (["00003.png", "mask of mine.png"], "mask of mine.png is not named after"),
    ],
)
def test_errors_of_an_import_name_the_files_of_the_user(names, why, server):
    status, said = import_masks(server, *names)
    assert status == 422
    assert said.startswith(why)


def test_masks_are_imported_for_frames_that_exist(server):
    for frame in ("x", "-1", "77", "", "9" * 5000):
        status, said = import_masks(server, "mask.png", frame=frame)
        assert status == 422 and said.startswith("frame ")


def test_a_fault_of_the_server_is_reported(server):
    status, said = import_masks(server, "1.png", "\0.png")  # no file system takes the second name
    assert status == 500
    assert said.startswith("Not saved: the annotator failed with ValueError")
