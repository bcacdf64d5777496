"""What the server has called saved is there after it was killed, at whatever moment.

python -m pytest -m slow -n 0 tests/annotator/test_kill.py
"""

import http.client
import json
import random
import threading

import numpy as np
import pytest

from tests.annotator.parts import FRAMES, SIZE, Server, in_stroke, session, stroke, write_frames

pytestmark = pytest.mark.slow
KILLS = 8


def post(server, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"Cookie": f"annotator_{server.port}={server.token}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content


def test_every_edit_that_was_called_saved_survives_being_killed(tmp_path):
    chance = random.Random(0)
    video = write_frames(tmp_path / "clip")
    saved, sent, expected = [], 0, np.zeros((FRAMES, *SIZE), np.uint8)
    for kill in range(KILLS):
        server = Server(video, "--workspace", tmp_path / "w")
        if kill == 0:
            post(server, "/api/edit", {"kind": "add", "name": "a", "colour": "#e69f00"})
        threading.Timer(chance.uniform(0.02, 0.5), server.process.kill).start()
        try:
            while True:
                points = [[chance.uniform(0, 160), chance.uniform(0, 96)]]
                edit = {**stroke(points, frame=sent % FRAMES, erase=sent % 3 == 2), "id": str(sent)}
                sent += 1
                post(server, "/api/edit", edit)
                saved.append(edit)
        except (OSError, http.client.HTTPException):
            server.kill()
        with session(video, tmp_path / "w") as opened:
            known = {entry.get("id") for entry in opened.workspace.log.entries}
            assert known.issuperset(edit["id"] for edit in saved)
            expected[:] = 0
            for entry in opened.workspace.log.entries:
                if entry["kind"] == "stroke":
                    inside = in_stroke(entry["points"], entry["radius"])
                    expected[entry["frame"]][inside] = 0 if entry["erase"] else 1
            for frame in range(FRAMES):
                assert np.array_equal(opened.label_map(frame), expected[frame])
    assert len(saved) > 20
