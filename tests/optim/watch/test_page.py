"""The live page without a browser: who may see it, what it holds, and that nothing of it stays."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.error
import urllib.request

import pytest

from sparkdl import optim
from sparkdl.optim.watch import record as record_module
from sparkdl.optim.watch.document import document, escaped
from sparkdl.optim.watch.record import Record
from sparkdl.optim.watch.server import PageServer
from tests.optim.watch.runs import data, trainer


def get(url, **headers):
    """Status and text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def server():
    record = Record()
    record.add("begin", model="<b>")
    served = PageServer(record)
    yield served
    served.close()


def test_only_who_has_the_token_sees_anything(server):
    root = server.url.split("?")[0]
    assert get(server.url)[0] == 200
    for path in ("", "?token=", "?token=wrong", f"?token={server.token}x", "events", "events?token=é", "favicon.ico"):
        assert get(root + urllib.request.quote(path, safe="?=&"))[0] == 403, path
    assert get(server.url, Host="evil.example:80")[0] == 403  # a name of somebody else's that leads here
    assert get(f"{root}other?token={server.token}")[0] == 404
    assert get(f"{root}../../etc/passwd?token={server.token}")[0] == 404
    assert len(server.token) >= 32


def test_it_listens_on_the_loopback_only(server):
    assert server._server.server_address[0] == "127.0.0.1"


def test_events_come_once_and_anew_after_thinning(server, monkeypatch):
    root, token = server.url.split("?")[0], server.token

    def events(generation, since):
        return json.loads(get(f"{root}events?token={token}&generation={generation}&since={since}")[1])

    first = events(0, 0)
    assert not first["all"] and [e["kind"] for e in first["events"]] == ["begin"]
    assert events(0, 1)["events"] == []
    for since in ("x", "-1", "9" * 30, "2"):
        assert events(0, since)["all"]
    monkeypatch.setitem(record_module.ROOM, "look", 300)
    for step in range(50):
        server.record.add("look", step=step)
    anew = events(0, 1)
    assert anew["all"] and anew["generation"] > 0
    steps = [e["step"] for e in anew["events"] if e["kind"] == "look"]
    assert steps[-1] == 49 and 2 < len(steps) < 20 and steps == sorted(steps)


def test_closing_frees_the_port_and_leaves_no_thread_although_a_browser_hangs_on():
    before = set(threading.enumerate())
    server = PageServer(Record())
    idle = socket.create_connection(("127.0.0.1", server.port))  # asks for nothing, as browsers do ahead of time
    get(server.url)
    server.close()
    idle.close()
    assert set(threading.enumerate()) == before
    again = PageServer(Record(), server.port)
    with pytest.raises(OSError, match=f"no port {again.port} on 127.0.0.1.*or 0 for any free one"):
        PageServer(Record(), again.port)
    again.close()


def test_nothing_in_a_record_can_end_its_element():
    evil = json.dumps({"x": "</script><script>alert(1)</script><!-- & \u2028"})
    assert json.loads(escaped(evil)) == json.loads(evil)
    assert not re.search(r"[<>&]", escaped(evil))
    page = document(evil)
    assert page.count("</script>") == document().count("</script>") == 2


def test_the_page_names_no_other_place():
    assert not re.findall(r"(?:src|href)=\"(?!data:,)", document())
    assert set(re.findall(r"https?://[^\s\"'<]+", document())) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("error", [None, RuntimeError("so </script> it is"), KeyboardInterrupt()])
def test_the_file_is_left_however_training_ends(tmp_path, error, capsys):
    class Ends(optim.Callback):
        def on_epoch(self, progress, line):
            if error is not None:
                raise error

    before, live = set(threading.enumerate()), optim.LivePage(tmp_path / "new" / "run.html", histograms=None)
    for _ in range(2):  # the same page serves again
        if error is None:
            trainer(watch=live).fit(data())
        else:
            with pytest.raises(type(error)):
                trainer(watch=live, callbacks=Ends()).fit(data())
        assert set(threading.enumerate()) == before and live.url is None
    text = live.path.read_text()
    record = json.loads(re.search(r'type="application/json" id="record">(.*?)</script>', text, re.S)[1])
    end = record["events"][-1]
    assert end["kind"] == "end"
    assert (
        end["state"] == {type(None): "finished", RuntimeError: "failed", KeyboardInterrupt: "interrupted"}[type(error)]
    )
    assert end["error"] == (None if error is None else f"{type(error).__name__}: {error}")
    assert list(live.path.parent.iterdir()) == [live.path]
    assert capsys.readouterr().err.count("watch: http://127.0.0.1:") == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"port": -1}, "port must be a number from 0"),
        ({"port": 70_000}, "port must be a number from 0"),
        ({"port": "80"}, "port must be a number from 0"),
        ({"histograms": 0}, "histograms must be a number of steps >= 1 or None"),
        ({"file": "."}, "file must be the name of a file, got the folder"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        optim.LivePage(**options)


def test_what_cannot_be_written_is_known_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        trainer(watch=tmp_path / "file" / "run.html").fit(data())
