"""Text from strangers, made harmless wherever it is shown; files written whole or not at all."""

import csv
import hashlib
import io
import os
import re
import unicodedata
from contextlib import contextmanager, suppress
from datetime import datetime

FORMULA = tuple("=+-@＝＋－＠")
AFTER_SEMICOLON = re.compile(f"(;\\s*)([{re.escape(''.join(FORMULA))}])")
MORE_CELLS = "there are more cells than columns: put quotes around a cell that has commas"
SEPARATOR = "sep="  # how Excel may begin a table
# How Moodle writes a time, on a clock of twelve hours or of twenty-four, and how Brightspace does.
WRITTEN = tuple(f"{day}%d %B %Y, {clock}" for day in ("%A, ", "") for clock in ("%I:%M %p", "%H:%M"))
WRITTEN += ("%b %d, %Y, %I:%M %p",)
PLAIN_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,59}")


def letters(text: str, count: int) -> str:
    """Short name of a text, in letters that a spreadsheet leaves alone and that make no words.

    Examples
    --------
    >>> letters("a text", 8)
    'kfgcmgsr'
    """
    digits = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:count]
    return digits.translate(str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst"))


def clean(text: str) -> str:
    r"""Text without what would steer a terminal or could not be written as UTF-8.

    Line breaks and tabs stay. Marks of writing direction go: they can make text read as another.

    Examples
    --------
    >>> clean("red \x1b[31m and \ud800")
    'red �[31m and \\ud800'
    """
    text = text.encode("utf-8", "backslashreplace").decode()
    kept = (character if _shows(character) else "�" for character in text)
    return "".join(kept)


def _shows(character):
    if character in "\n\t" or character.isprintable():
        return True
    # Blanks of other widths, joiners (in Indian scripts and emoji) are harmless.
    return unicodedata.category(character) == "Zs" or character in "\u200c\u200d"


def one_line(text: str) -> str:
    r"""Clean text on one line.

    Examples
    --------
    >>> one_line(" two\n lines ")
    'two lines'
    """
    return " ".join(clean(text).split())


def defuse(text: str) -> str:
    r"""Text that no spreadsheet takes for a formula: one that begins like a formula gets an apostrophe.

    Examples
    --------
    >>> defuse("=cmd()"), defuse("ada"), defuse("\t+1")
    ("'=cmd()", 'ada', "'+1")
    """
    text = one_line(text)
    text = AFTER_SEMICOLON.sub(r"\1'\2", text)  # where a semicolon separates columns
    return f"'{text}" if text.startswith(FORMULA) else text


def file_name(text: str) -> str:
    """Name of a file for a text: the text itself if it is harmless, and never the name of another text.

    Examples
    --------
    >>> file_name("ada")
    'ada'
    >>> file_name("../Ada")
    'ada-gsgntdcjhdpk'
    """
    mark = f"-{letters(text, 12)}"
    # Upper case would be the same file on some computers, and a name that looks like ours may be meant to be.
    if PLAIN_NAME.fullmatch(text) and not re.search(r"-[b-df-hj-np-t]{12}$|\.$", text):
        return text
    harmless = re.sub(r"[^a-z0-9_]+", "-", one_line(text).lower().replace("\\u", "")).strip("-")[:40]
    return f"{harmless or 'student'}{mark}"


def spreadsheet(path):
    """Return a reader of a table that a spreadsheet saved, by the names of its columns."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8: save it as `CSV UTF-8` in your spreadsheet") from None
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith(SEPARATOR))
    # Where the comma is the decimal sign, spreadsheets separate columns by semicolons.
    delimiter = max(",;\t", key=next(lines, "").count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may hold a picture
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    rows = (row for row in reader.reader if any(row) and not row[0].startswith(SEPARATOR))
    reader.fieldnames = next(rows, [])
    return reader


def table(columns, rows):
    """Return the text of a table."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def moment(text: str) -> datetime | None:
    """Time that a human wrote; without a zone, that of this computer.

    Examples
    --------
    >>> moment("2026-03-05 12:00+00:00").timestamp()
    1772712000.0
    >>> moment("5.3.2026")
    Traceback (most recent call last):
    ValueError: give a date and a time, as in 2026-03-05 23:59
    """
    text = text.strip()
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("give a date and a time, as in 2026-03-05 23:59") from None
    if len(text) <= len("2026-03-05"):  # a day lasts until its end
        time = time.replace(hour=23, minute=59, second=59)
    return time.astimezone()


def handed_in(text: str) -> datetime | None:
    """Time that a system wrote, in any of their ways; None if it cannot be read.

    Examples
    --------
    >>> handed_in("2026-11-22 10:11:12.13 UTC").timestamp()
    1795342272.13
    >>> [handed_in(text).hour for text in ("Thursday, 5 March 2026, 2:22 PM", "Mar 5, 2026, 2:22 PM")]
    [14, 14]
    """
    text = re.sub(r" ?(?:UTC|Z)$", "+00:00", text.strip())
    text = re.sub(r" (?=[+-]\d\d:?\d\d$)", "", text)
    with suppress(ValueError, OverflowError):
        return datetime.fromisoformat(text).astimezone()
    for form in WRITTEN:
        with suppress(ValueError, OverflowError):
            return datetime.strptime(text, form).astimezone()
    return None


@contextmanager
def locked(path, waiting=lambda: None):
    """Keep others out who lock the same file, until the end; `waiting` is called before a wait for them."""
    import fcntl  # not on Windows

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write(path, text):
    """Write a file whole, or leave the old one: a draft in the same folder takes its place at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # of a full disk, which Python leaves without a name
        draft.unlink(missing_ok=True)
        raise OSError(
            error.errno, f"{error.strerror}: make room, and run the command again", str(path)
        ) from None
    os.replace(draft, path)
