"""Print, of the user's and the machine's settings of uv, what says where packages come from, as TOML.

Where they go, or which, as by a ``target`` or ``require-hashes`` in them, is for the set-up alone to say.
"""

import json
import os
import sys
import tomllib
from pathlib import Path

PLACES = {"index", "index-url", "extra-index-url", "find-links", "cache-dir"}
CHOICE = {"index-strategy", "keyring-provider", "no-index"}
NETWORK = {
    "allow-insecure-host",
    "http-proxy",
    "https-proxy",
    "native-tls",
    "no-proxy",
    "offline",
    "system-certs",
}


def main():
    """Print the settings."""
    settings = {}
    for path in files():
        for key, value in read(path.absolute()).items():
            settings[key] = value + settings.get(key, []) if isinstance(value, list) else value
    for key, value in settings.items():
        print(key, "=", written(value))


def files():
    """Return the files that uv would read, those that count more last.

    Unlike those of `Path`, these functions raise nothing where a home cannot be entered, or is none.
    """
    if chosen := os.environ.get("UV_CONFIG_FILE"):
        return [Path(chosen)]
    shared = [*(os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"), "/etc"]
    machine = [path for folder in shared if os.path.isfile(path := Path(folder, "uv/uv.toml"))]
    user = Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "uv/uv.toml")
    return machine[:1] + [user] * os.path.isfile(user)


def read(path):
    """Return what a file says of where from; there, a relative path starts from the file's folder."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        sys.exit(f"setup: uv's settings in {path} cannot be read ({error}): mend them and run make again.")
    said = found | {key: value for key, value in found.get("pip", {}).items() if key in PLACES | CHOICE}
    return {
        key: absolute(value, path.parent) if key in PLACES else value
        for key, value in said.items()
        if key in PLACES | CHOICE | NETWORK
    }


def absolute(value, folder):
    """Return addresses that mean the same elsewhere."""
    if isinstance(value, list):
        return [absolute(one, folder) for one in value]
    if isinstance(value, dict):
        return value | {"url": absolute(value["url"], folder)}
    return value if "://" in value else str(folder / value)


def written(value):
    """Return a value in TOML, in one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {written(one)}' for key, one in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    main()
