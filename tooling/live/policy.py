"""What browsers may run in served pages: what comes from the same host, and scripts that the build wrote."""

import base64
import hashlib
import html
import re

# Formulas and charts compile what they draw, and Python's worker the models that it samples from.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval' 'unsafe-hashes' {}; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'none'\n"
)
SCRIPT = re.compile(r"<script(?![^>]* (?:src|type=\"(?!module)))[^>]*>(.+?)</script>", re.DOTALL)
HANDLER = re.compile(r" on[a-z]+=\"([^\"]+)\"")


def policy(folder):
    """Return the content security policy of a folder of pages, which allows the scripts that they have."""
    written = set()
    for path in folder.rglob("*.html"):
        page = path.read_text(encoding="utf8")
        written |= {*SCRIPT.findall(page), *map(html.unescape, HANDLER.findall(page))}
    digests = (hashlib.sha256(code.encode()).digest() for code in written)
    return POLICY.format(" ".join(sorted(f"'sha256-{base64.b64encode(one).decode()}'" for one in digests)))
