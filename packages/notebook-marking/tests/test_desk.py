"""Marking prose by click: what is saved, what is refused, and who gets nothing."""

import csv
import http.client
import io
import json
import threading
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from notebook_marking import desk, plain, reports
from notebook_marking.marking import Mark, Marked
from notebook_marking.runs import Run
from notebook_marking.scheme import Scheme
from notebook_marking.submissions import Submission

TEXT = {"kind": "text", "is": "why", "rubric": [{"points": 1, "for": "mu"}, {"points": 1.5, "for": "tau"}]}
SCHEME = Scheme(id="1", page="x", title="X", parts={"b": {"answers": {"why": TEXT}}})
COURSE = SimpleNamespace(
    schemes={"1": SCHEME}, page=lambda _: Path(__file__).parent / "course" / "worked" / "sums.md"
)


def mark_class(out, texts=("Because.", "</script><script>alert(1)</script>")):
    marked = [
        Marked(
            Submission(f"student{i}", "1", Path("work.md")),
            Run("finished", {}),
            (Mark("b", "why", None, 2.5, "review"),),
            {"b.why": text},
        )
        for i, text in enumerate(texts)
    ]
    report = reports.report(marked, COURSE, out)
    reports.write(report.files, out)
    return report


@pytest.fixture
def out(tmp_path):
    mark_class(tmp_path)
    return tmp_path


@pytest.fixture
def ask(out):
    """Ask a running desk; return the status and the text."""
    server, address = desk.serve(out / "review")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = urlsplit(address)

    def of(name, body=None, *, path=None, host=None, kind="application/json"):
        connection = http.client.HTTPConnection(base.hostname, base.port, timeout=120)
        headers = {"Host": host or base.netloc} | ({} if body is None else {"Content-Type": kind})
        connection.request("GET" if body is None else "POST", path or base.path + name, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    yield of
    server.shutdown()
    server.server_close()


def rows(out):
    text = (out / "review/marks.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_mark_is_saved_at_once_and_counts_in_the_next_run(out, ask):
    code, version = rows(out)[0]["code"], rows(out)[0]["text"]
    change = {"points": "1.5", "rubric": "2", "text": version, "note": "", "comment": "and mu?"}
    status, before = ask("mark", json.dumps({"code": code, **change}))
    assert (status, json.loads(before)["points"]) == (200, "")
    row = next(row for row in rows(out) if row["code"] == code)
    assert (row["points"], row["comment"], row["rubric"]) == ("1.5", "and mu?", "2")
    assert json.loads(ask("marks")[1])[code]["points"] == "1.5"
    assert "1 of 2 marked" in ask("")[1]
    mark_class(out)
    with (out / "grades.csv").open() as file:
        assert sorted(row["score"] for row in csv.DictReader(file)) == ["0.0", "1.5"]
    assert ask("mark", json.dumps({"code": code, **json.loads(before)}))[0] == 200  # undone
    assert [row["points"] for row in rows(out)] == ["", ""]


def test_what_a_spreadsheet_saved_meanwhile_stays(out, ask):
    table = rows(out)
    table[1] |= {"points": "1", "mine": "kept"}
    table[0]["mine"] = ""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(table[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(table)
    plain.write(out / "review/marks.csv", stream.getvalue())
    assert ask("mark", json.dumps({"code": table[0]["code"], "points": "2"}))[0] == 200
    assert [(row["points"], row["mine"]) for row in rows(out)] == [("2", ""), ("1", "kept")]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"points": "3"}, "give a number from 0 to 2.5"),
        ({"points": "-1"}, "give a number from 0 to 2.5"),
        ({"points": "nan"}, "give a number from 0 to 2.5"),
        ({"points": 1}, "give texts for points"),
        ({"student": "eve"}, "give texts for points"),
        ({"code": "nobody"}, "has no row nobody"),
    ],
)
def test_what_cannot_be_taken_is_named_and_nothing_is_written(out, ask, change, fault):
    before = (out / "review/marks.csv").read_bytes()
    status, text = ask("mark", json.dumps({"code": rows(out)[0]["code"]} | change))
    assert (status, fault in text) == (409, True)
    assert (out / "review/marks.csv").read_bytes() == before


@pytest.mark.parametrize("body", ["", "[]", "{}", "nonsense", '{"code": 3}'])
def test_nonsense_is_refused_and_the_desk_goes_on(ask, body):
    assert ask("mark", body)[0] == 409
    assert ask("")[0] == 200


def test_nothing_else_is_served(out, ask):
    page = "1-b-why.html"
    assert ask(page)[0] == 200
    for name in ("../grades.csv", "marks.csv", ".lock", "../../etc/passwd", "%2e%2e/grades.csv", "desk.html"):
        assert ask(name)[0] == 404
    for path in ("/", f"/{page}", f"//{page}", f"/wrong/{page}"):
        assert ask("", path=path)[0] == 404
    assert ask(page, host="evil.example")[0] == 404
    code = json.dumps({"code": rows(out)[0]["code"], "points": "1"})
    assert ask("mark", code, kind="text/plain")[0] == 404  # as a form on another page would send it
    assert ask("mark", code, path="/wrong/mark")[0] == 404
    assert ask("mark", " " * 30_000)[0] == 404
    assert [row["points"] for row in rows(out)] == ["", ""]


def test_a_page_runs_our_script_only(ask):
    text = ask("1-b-why.html")[1]
    assert "script-src 'self'; connect-src 'self'" in text
    assert text.count("<script") == 1
    assert "connect-src" not in (ask("")[1])
    assert "fetch" in ask("desk.js")[1]


def test_an_out_without_prose_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        desk.main([str(tmp_path)])
    assert "has no prose to mark: give the OUT of an earlier `make grade`" in capsys.readouterr().err
