"""Marking prose by click: ``python -m notebook_marking.desk OUT``.

Only this computer reaches it, and only by the address that it prints, which holds a secret. It serves the
pages of ``OUT/review`` and nothing else; each mark goes at once to ``marks.csv`` there, as if typed into a
spreadsheet.
"""

import argparse
import json
import secrets
import signal
import sys
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

from notebook_marking import plain, reports, review

HOST = "127.0.0.1"
LONGEST = 20_000  # bytes of what one mark may send
# What a browser may change of a row.
TYPED = ("points", "comment", "rubric", "text", "note")
SCRIPT = "desk.js"


class Desk:
    """The review pages and the table of marks in one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.table = folder / "marks.csv"

    def pages(self):
        """Return the text of each review page by its name."""
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(self.folder.glob("*.html"))}

    def page(self, text):
        """Let a review page run our script, and no other."""
        text = text.replace(
            "default-src 'none';", "default-src 'none'; script-src 'self'; connect-src 'self';", 1
        )
        return text.replace("</head>", f'<script src="{SCRIPT}" defer></script>\n</head>', 1)

    def index(self):
        """Return the page that lists the others, with how far each is."""
        marked = {code for code, row in self.rows().items() if row["points"].strip()}
        listed = []
        for name, text in self.pages().items():
            codes = [part.partition('"')[0] for part in text.split('<article id="')[1:]]
            done = sum(code in marked for code in codes)
            listed.append({"name": name, "done": done, "count": len(codes)})
        return reports.fill("desk.html", pages=listed)

    def rows(self):
        """Return the rows of the table by their codes, with what a browser may change."""
        return {
            row["code"].strip(): {name: row.get(name) or "" for name in TYPED}
            for _, row in review.read(self.table)
        }

    def save(self, code, change):
        """Write what a browser changed of a row; return what stood there before.

        Raises ValueError if the table or the change cannot be taken.
        """
        with plain.locked(self.folder / ".lock"):  # against a run of the marking, which writes the table too
            table = [row for _, row in review.read(self.table)]
            row = next((row for row in table if row["code"].strip() == code), None)
            if row is None or any(None in each for each in table):
                raise ValueError(f"{self.table} has no row {code} to be filled in: run the marking again")
            if not (set(change) <= set(TYPED) and all(isinstance(value, str) for value in change.values())):
                raise ValueError(f"the change is {change!r}: give texts for {', '.join(TYPED)}")
            points, most = change.get("points", "").strip(), review.number(row["out of"])
            if points and not 0 <= review.number(points) <= most:
                raise ValueError(f"points is {points!r}: give a number from 0 to {most:g}")
            before = {name: row.get(name) or "" for name in TYPED}
            row |= {name: plain.clean(value) for name, value in change.items()}
            plain.write(self.table, "\ufeff" + review.table_text(table))
            return before


class Handler(BaseHTTPRequestHandler):
    """Answers a browser on this computer that knows the secret."""

    def __init__(self, *arguments, desk, token):
        self.desk, self.token = desk, token
        super().__init__(*arguments)

    def do_GET(self):
        """Send a page, the script, or the marks."""
        name = self._asked()
        try:
            if name == "":
                self._send(self.desk.index(), "text/html")
            elif name == SCRIPT:
                script = files("notebook_marking") / "templates" / SCRIPT
                self._send(script.read_text(encoding="utf-8"), "text/javascript")
            elif name == "marks":
                self._send(json.dumps(self.desk.rows()), "application/json")
            elif name and name in (pages := self.desk.pages()):
                self._send(self.desk.page(pages[name]), "text/html")
            else:
                self._send("There is nothing here.", "text/plain", HTTPStatus.NOT_FOUND)
        except (ValueError, OSError) as error:
            self._send(str(error), "text/plain", HTTPStatus.CONFLICT)

    def do_POST(self):
        """Save a mark."""
        try:
            length = int(self.headers.get("Content-Length", ""))
            json_only = self.headers.get("Content-Type") == "application/json"  # no form of another page
            if self._asked() != "mark" or not json_only or not 0 <= length <= LONGEST:
                self.close_connection = True
                self._send("There is nothing here.", "text/plain", HTTPStatus.NOT_FOUND)
                return
            sent = json.loads(self.rfile.read(length))
            before = self.desk.save(sent.pop("code"), sent)
            self._send(json.dumps(before), "application/json")
        except (ValueError, OSError, KeyError, AttributeError, TypeError) as error:
            self._send(str(error), "text/plain", HTTPStatus.CONFLICT)

    def _asked(self):
        """Return what is asked for; None from whoever knows no secret, or takes us for another host."""
        _, token, name = [*self.path.split("/", 2), "", ""][:3]
        known = secrets.compare_digest(token.encode(), self.token.encode())
        host = f"{HOST}:{self.server.server_port}"
        return name if known and self.headers.get("Host") == host and self.path.count("/") == 2 else None

    def _send(self, text, kind, status=HTTPStatus.OK):
        content = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing: the address is a secret."""


def serve(folder, port=0):
    """Return a server of one folder, not yet running, and its address."""
    token = secrets.token_urlsafe(24)
    server = ThreadingHTTPServer((HOST, port), partial(Handler, desk=Desk(folder), token=token))
    return server, f"http://{HOST}:{server.server_port}/{token}/"


def main(arguments=None):
    """Serve the review pages until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="notebook_marking.desk", description="Mark prose by click.")
    parser.add_argument("out", metavar="OUT", type=Path, help="the OUT of a run of notebook-marking")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    options = parser.parse_args(arguments)
    folder = options.out.expanduser() / "review"
    if not list(folder.glob("*.html")):
        parser.error(f"OUT={options.out} has no prose to mark: give the OUT of an earlier `make grade`")
    server, address = serve(folder, options.port)
    print(
        f"Mark at {address}\nEvery mark is saved at once. Ctrl-C ends; then run `make grade` again.",
        flush=True,
    )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
