"""Setting up the environment, with stand-ins for Python and uv that install nothing."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    "requirements.txt",
    "pyproject.toml",
    ".python-version",
    "tooling/scripts/settings_of_uv.py",
    "tooling/scripts/setup.sh",
    "tooling/jupyter_server_config.json",
]
COMMANDS = ["sh", "cat", "cksum", "chmod", "dirname", "env", "grep"]
COMMANDS += ["id", "mkdir", "pwd", "rm", "sed", "touch"]

RECENT_PYTHON = "#!/bin/sh\nexit 0\n"
OLD_PYTHON = "#!/bin/sh\nexit 1\n"
# Suits whoever asks for no version, or for 3.12; setup.sh passes the version after -c and its code.
PYTHON_312 = '#!/bin/sh\ncase "$3" in ""|3.12) exit 0;; esac\nexit 1\n'
# Notes each call; makes an environment as `uv venv` would; fails where it is told to.
UV = """\
#!/bin/sh
[ "$1" != --version ] || exit 0
echo "$@" >>calls
env | grep -E '^(PIP_|UV_|PYTHON)' >settings
[ "$1 $2" != "$FAIL" ] || exit 2
if [ "$1" = venv ]; then
    mkdir -p .venv/bin
    printf '#!/bin/sh\\nexit 0\\n' >.venv/bin/python
    chmod +x .venv/bin/python
    echo "VIRTUAL_ENV=$(pwd)/.venv" >.venv/bin/activate
fi
"""


@pytest.fixture
def machine(tmp_path):
    """Return a clone of the project on a machine with nothing but a few commands."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("bin", "support", "packages"):
        (tmp_path / name).mkdir()
    for name in COMMANDS:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return tmp_path


def install(machine, name, script):
    path = machine / "bin" / name
    path.write_text(script)
    path.chmod(0o755)


def start(machine, fail="nothing", **variables):
    return subprocess.Popen(
        ["sh", "tooling/scripts/setup.sh"],
        cwd=machine,
        env={"PATH": str(machine / "bin"), "HOME": str(machine), "FAIL": fail, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def set_up(machine, fail="nothing", **variables):
    process = start(machine, fail, **variables)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def calls(machine):
    path = machine / "calls"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("pythons", [[], ["python3"]], ids=["no Python", "an old Python"])
def test_without_a_recent_python_one_sentence_says_what_to_install(machine, pythons):
    for name in pythons:
        install(machine, name, OLD_PYTHON)
    process = set_up(machine)
    assert process.returncode == 1
    assert process.stdout == ""
    assert len(process.stderr.splitlines()) == 1
    assert "install Python 3.13" in process.stderr
    assert not (machine / ".venv").exists()


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        (["python3", "python3.12", "python3.13", "python3.14"], "python3.13"),
        (["python3.12"], "python3.12"),
        (["python3.14"], "python3.14"),
        (["python3"], "python3"),
    ],
)
def test_the_preferred_python_is_taken_and_else_another_recent_one(machine, pythons, chosen):
    install(machine, "uv", UV)
    install(machine, "python3", OLD_PYTHON)
    for name in pythons:
        install(machine, name, RECENT_PYTHON)
    assert set_up(machine).returncode == 0
    assert f"--python {machine}/bin/{chosen} .venv" in calls(machine)[0]


def test_a_version_that_is_asked_for_is_taken_although_another_is_preferred(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", '#!/bin/sh\n[ -z "$3" ]\n')
    install(machine, "python3.12", PYTHON_312)
    assert set_up(machine, BOOK_PYTHON="3.12").returncode == 0
    assert f"--python {machine}/bin/python3.12 .venv" in calls(machine)[0]


def test_an_environment_of_another_version_than_asked_for_is_made_anew(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    set_up(machine)
    install(machine, "python3.12", PYTHON_312)
    (machine / ".venv/bin/python").write_text('#!/bin/sh\n[ -z "$3" ]\n')
    (machine / "bin/python3.13").unlink()
    (machine / "calls").unlink()
    assert set_up(machine).returncode == 0
    assert calls(machine) == []
    assert set_up(machine, BOOK_PYTHON="3.12").returncode == 0
    assert calls(machine)[0].startswith("venv")


def test_no_other_version_takes_the_place_of_the_one_asked_for(machine):
    install(machine, "uv", "#!/bin/sh\nexit 1\n")
    install(machine, "python3.12", PYTHON_312)
    process = set_up(machine, BOOK_PYTHON="3.14")
    assert process.returncode == 1
    assert process.stderr.startswith("setup: BOOK_PYTHON asks for Python 3.14")
    assert len(process.stderr.splitlines()) == 1
    assert not (machine / ".venv").exists()


def test_a_python_behind_a_dead_shim_is_found(machine):
    install(machine, "uv", UV)
    install(machine, "python3.12", OLD_PYTHON)
    python = machine / ".pyenv/versions/3.12.1/bin/python3"
    python.parent.mkdir(parents=True)
    python.write_text(RECENT_PYTHON)
    python.chmod(0o755)
    assert set_up(machine).returncode == 0
    assert str(python) in calls(machine)[0]


def test_nothing_is_done_twice_until_the_lock_changes(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    assert set_up(machine).returncode == 0
    first = calls(machine)
    assert [line.split()[0] for line in first] == ["venv", "pip", "pip"]
    assert set_up(machine).returncode == 0
    assert calls(machine) == first

    with (machine / "requirements.txt").open("a") as lock:
        lock.write("# changed\n")
    assert set_up(machine).returncode == 0
    assert [line.split()[0] for line in calls(machine)[3:]] == ["pip", "pip"]


@pytest.mark.parametrize("step", ["venv --quiet", "pip sync", "pip install"])
def test_a_failure_leaves_no_half_environment(machine, step):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    assert set_up(machine, fail=step).returncode != 0
    assert not (machine / ".venv").exists()
    assert set_up(machine).returncode == 0
    assert (machine / ".venv/.setup-stamp").exists()


@pytest.mark.skipif(shutil.which("flock") is None, reason="macOS has no `flock`")
@pytest.mark.parametrize("does_it", [True, False])
def test_of_two_commands_at_once_one_waits_and_does_what_the_other_has_not(machine, does_it):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    (machine / "bin/flock").symlink_to(shutil.which("flock"))
    set_up(machine)
    stamp, first = machine / ".venv/.setup-stamp", calls(machine)
    done = stamp.read_text()
    stamp.unlink()
    with (machine / ".cache/setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = start(machine)
        assert second.stderr.readline() == "setup: another command sets up this folder: waiting for it\n"
        if does_it:
            stamp.write_text(done)
    second.communicate()
    assert second.returncode == 0
    assert (calls(machine) == first) == does_it
    assert stamp.read_text() == done


@pytest.mark.parametrize("moment", ["first", "update"])
@pytest.mark.parametrize("how", ["KILL", "INT"])
def test_what_was_stopped_half_way_is_made_anew(machine, moment, how):
    """For uv takes a package for installed that was linked half."""
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    if moment == "update":
        set_up(machine)
        (machine / "requirements.txt").write_text("# changed\n")
    install(machine, "uv", UV + f'[ "$1 $2" != "pip sync" ] || {{ touch half; kill -{how} $PPID; }}\n')
    assert set_up(machine).returncode != 0
    assert (machine / "half").exists()
    if (machine / ".venv").exists():
        (machine / ".venv/half-linked").touch()
    install(machine, "uv", UV)
    assert set_up(machine).returncode == 0
    assert not (machine / ".venv/half-linked").exists()
    assert (machine / ".venv/.setup-stamp").exists()


def test_a_folder_is_the_same_by_any_link_to_it(machine, tmp_path_factory):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    link = tmp_path_factory.mktemp("links") / "link"
    link.symlink_to(machine)
    assert set_up(machine, PWD=str(machine)).returncode == 0
    before = calls(machine)
    assert set_up(link, PWD=str(link)).returncode == 0
    (machine / ".venv/kept").touch()
    with (machine / "requirements.txt").open("a") as lock:
        lock.write("# changed\n")
    assert calls(machine) == before
    assert set_up(link, PWD=str(link)).returncode == 0
    assert (machine / ".venv/kept").exists()


def test_a_dead_shim_of_uv_is_passed_over(machine):
    install(machine, "uv", "#!/bin/sh\nexit 127\n")
    install(machine, "python3.13", '#!/bin/sh\n[ "$1" != -m ]\n')
    assert "cannot make environments: install uv" in set_up(machine).stderr


@pytest.mark.skipif(shutil.which("flock") is None, reason="macOS has no `flock`")
def test_a_folder_in_the_place_of_the_lock_is_named(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    (machine / "bin/flock").symlink_to(shutil.which("flock"))
    (machine / ".cache/setup.lock").mkdir(parents=True)
    process = set_up(machine)
    assert process.returncode == 1
    assert process.stderr.startswith(f"setup: {machine}/.cache/setup.lock is a folder: remove it")


def test_no_setting_of_the_shell_leads_cd_elsewhere(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    (machine / "tooling/live").mkdir()
    for name in ("carrier.txt", "wheels.txt", "quick_start.py", "translate.py", "archives.py"):
        (machine / "tooling/live" / name).write_text(f"{name}\n")
    command = ["sh", "tooling/scripts/setup.sh", "--carrier"]
    known = {"PATH": str(machine / "bin"), "HOME": str(machine), "FAIL": "nothing"}
    subprocess.run(command, cwd=machine, env=known | {"CDPATH": ".:/tmp"}, check=True, capture_output=True)
    assert (machine / ".cache/live/stamp").read_text().startswith("carrier.txt\n")


@pytest.mark.parametrize("home", [None, "", "/root/nowhere"])
def test_no_home_or_one_that_cannot_be_entered_has_no_settings_of_uv(home):
    """As an ordinary user."""
    code = (
        "import runpy, os, pwd, tomllib, sys\n"
        f"main = runpy.run_path({str(ROOT / 'tooling/scripts/settings_of_uv.py')!r})['main']\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setresuid(65534, 65534, 65534)\n"
        "main()\n"
    )
    variables = {"XDG_CONFIG_DIRS": "/root/nowhere"} | ({} if home is None else {"HOME": home})
    run = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.stderr, run.returncode) == ("", "", 0)


def test_a_failed_update_is_done_again(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    set_up(machine)
    with (machine / "requirements.txt").open("a") as lock:
        lock.write("# changed\n")
    assert set_up(machine, fail="pip sync").returncode != 0
    before = len(calls(machine))
    assert set_up(machine).returncode == 0
    assert len(calls(machine)) > before


def test_a_moved_project_gets_a_new_environment(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    set_up(machine)
    moved = machine.parent / "moved"
    os.rename(machine, moved)
    (moved / "calls").unlink()
    assert set_up(moved).returncode == 0
    assert calls(moved)[0].startswith("venv")


def test_python_without_venv_gets_one_sentence(machine):
    # This stand-in passes as recent, but `-m venv` makes nothing and fails.
    install(machine, "python3.13", '#!/bin/sh\n[ "$1" != -m ]\n')
    process = set_up(machine)
    assert process.returncode == 1
    assert len(process.stderr.splitlines()) == 1
    assert "python3-venv" in process.stderr
    assert not (machine / ".tools").exists()


@pytest.mark.parametrize("place", [".", ".venv", ".venv/home", "_build"])
def test_what_cannot_be_written_is_said_before_anything_is_done(place):
    """As an ordinary user, in a folder that root or another user has made."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Path(folder)
        for name in FILES:
            (machine / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, machine / name)
        for made in (".venv/home", "_build"):
            (machine / made).mkdir(parents=True)
        for path in (machine, *machine.rglob("*")):
            path.chmod(0o777)
        (machine / place).chmod(0o555)
        demotion = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        command = [*demotion, "sh", machine / "tooling/scripts/setup.sh"]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        (machine / place).chmod(0o777)
    assert process.returncode == 1
    assert process.stdout == ""
    (said,) = process.stderr.splitlines()
    assert f"{machine}/{place} cannot be written by this user: work in a copy" in said


# Debian's python3 without python3-venv: it makes no environment with pip in it.
WITHOUT_PIP = f'#!/bin/sh\n[ "$1 $2 $3" != "-m venv .tools" ] || exit 1\nexec "{sys.executable}" "$@"\n'
APT = """\
#!/bin/sh
echo "$@" >>../../apt-calls
case "$*" in *" download python3-pip-whl") touch python3-pip-whl_1_all.deb ;; esac
"""
DPKG = """\
#!/bin/sh
mkdir -p usr/share/python-wheels
cp ../../pip.whl usr/share/python-wheels/pip-1-py3-none-any.whl
"""


@pytest.mark.slow
def test_python_without_pip_borrows_that_of_debians_package(machine):
    for name, script in {"python3.13": WITHOUT_PIP, "apt-get": APT, "dpkg-deb": DPKG}.items():
        install(machine, name, script)
    (machine / "bin/cp").symlink_to(shutil.which("cp"))
    with zipfile.ZipFile(machine / "pip.whl", "w") as wheel:
        # Stands for pip, which is asked to install uv.
        wheel.writestr("pip/__init__.py", "")
        code = f"import pathlib\nuv = pathlib.Path('.tools/bin/uv')\nuv.write_text({UV!r})\nuv.chmod(0o755)"
        wheel.writestr("pip/__main__.py", code)
    process = set_up(machine)
    assert process.returncode == 0, process.stderr
    said = (machine / "apt-calls").read_text()
    assert said.count(f"-o Dir::State::Lists={machine}/.tools/apt/lists") == 2
    assert "install" not in said
    assert calls(machine)[0].startswith("venv")
    assert not (machine / ".tools/apt").exists()


def settings(machine):
    """Return what uv was told in its environment."""
    return dict(line.split("=", 1) for line in (machine / "settings").read_text().splitlines())


def test_settings_say_where_packages_come_from_but_not_where_they_go(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    kept = {"PIP_INDEX_URL": "https://index.example", "UV_FIND_LINKS": "/wheels", "PIP_CERT": "/cert.pem"}
    dropped = {
        "PIP_USER": "1",
        "PIP_TARGET": "/elsewhere",
        "PIP_REQUIRE_VIRTUALENV": "1",
        "UV_SYSTEM_PYTHON": "1",
        "UV_PROJECT_ENVIRONMENT": "/elsewhere",
        "UV_NO_BINARY": "1",
        "UV_EXCLUDE_NEWER": "2020-01-01",
        "PYTHONWARNINGS": "error",
        "PYTHONPATH": "/elsewhere",
    }
    assert set_up(machine, **kept, **dropped).returncode == 0
    seen = settings(machine)
    assert seen["UV_DEFAULT_INDEX"] == "https://index.example"
    assert kept.items() <= seen.items()
    assert not dropped.keys() & seen.keys()


def test_the_index_of_a_pip_conf_is_uvs_too(machine):
    install(machine, "uv", UV)
    says = "-m pip config get global.index-url"
    install(machine, "python3.13", f'#!/bin/sh\n[ "$*" != "{says}" ] || echo https://index.example\n')
    assert set_up(machine).returncode == 0
    assert settings(machine)["UV_DEFAULT_INDEX"] == "https://index.example"
    (machine / ".venv/.setup-stamp").unlink()
    assert set_up(machine, UV_DEFAULT_INDEX="https://other.example").returncode == 0
    assert settings(machine)["UV_DEFAULT_INDEX"] == "https://other.example"


IN_A_FILE = """
index-url = "https://index.example/simple"
find-links = ["wheels", "/more wheels"]
exclude-newer = "2020-01-01"
no-binary = true
offline = false
[[index]]
url = "https://more.example/\\u00fc"
default = false
name = "more"
[pip]
extra-index-url = ["https://extra.example"]
target = "/elsewhere"
prefix = "/elsewhere"
python = "/elsewhere"
require-hashes = true
break-system-packages = true
"""


@pytest.mark.parametrize("place", [".config/uv/uv.toml", "chosen.toml"])
def test_so_do_uvs_own_files(machine, place):
    install(machine, "uv", UV)
    install(machine, "python3.13", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    path = machine / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(IN_A_FILE)
    chosen = {"UV_CONFIG_FILE": str(path)} if place == "chosen.toml" else {}
    assert set_up(machine, **chosen, XDG_CONFIG_DIRS=str(machine)).returncode == 0
    told = Path(settings(machine)["UV_CONFIG_FILE"])
    assert told.stat().st_mode & 0o77 == 0
    assert tomllib.loads(told.read_text()) == {
        "index-url": "https://index.example/simple",
        "extra-index-url": ["https://extra.example"],
        "find-links": [str(path.parent / "wheels"), "/more wheels"],
        "index": [{"url": "https://more.example/ü", "default": False, "name": "more"}],
        "offline": False,
    }


def test_the_users_file_counts_more_than_the_machines(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for place, text in {
        ".config/uv/uv.toml": 'index-url = "https://user.example"\nextra-index-url = ["https://one.example"]',
        "machine/uv/uv.toml": 'index-url = "https://all.example"\nextra-index-url = ["https://two.example"]',
    }.items():
        (machine / place).parent.mkdir(parents=True)
        (machine / place).write_text(text)
    assert set_up(machine, XDG_CONFIG_DIRS=str(machine / "machine")).returncode == 0
    told = tomllib.loads(Path(settings(machine)["UV_CONFIG_FILE"]).read_text())
    assert told["index-url"] == "https://user.example"
    assert told["extra-index-url"] == ["https://one.example", "https://two.example"]
    (machine / ".config/uv/uv.toml").write_text("index-url = ")
    (machine / ".venv/.setup-stamp").unlink()
    process = set_up(machine)
    assert process.returncode == 1
    (said,) = process.stderr.splitlines()
    assert said.startswith(f"setup: uv's settings in {machine}/.config/uv/uv.toml cannot be read (")


def test_caches_stay_in_the_folder_where_the_home_cannot_be_written(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    for home in ("/dev/null", ""):
        assert set_up(machine, HOME=home).returncode == 0
        assert settings(machine)["UV_CACHE_DIR"] == f"{machine}/.cache/uv"
        (machine / ".venv/.setup-stamp").unlink()
    assert set_up(machine).returncode == 0
    assert "UV_CACHE_DIR" not in settings(machine)


def test_what_is_set_up_can_be_read_by_the_sandboxs_user(machine):
    install(machine, "uv", UV)
    install(machine, "python3.13", RECENT_PYTHON)
    before = os.umask(0o077)
    try:
        (machine / "support/data.csv").touch()
        assert set_up(machine).returncode == 0
    finally:
        os.umask(before)
    made = [*(machine / ".venv").rglob("*")]
    if os.geteuid() == 0:  # another one's sandboxes have the same user
        made.append(machine / "support/data.csv")
    closed = [path for path in made if path.stat().st_mode & 0o044 != 0o044]
    assert closed == []


@pytest.mark.slow
def test_no_pip_conf_keeps_uv_out_of_its_place(machine):
    """Real Python and pip install a stand-in of uv, against all that a pip.conf may say."""
    pytest.importorskip("ensurepip", reason="this Python comes without pip")
    with zipfile.ZipFile(machine / "uv-1-py3-none-any.whl", "w") as wheel:
        script = zipfile.ZipInfo("uv-1.data/scripts/uv")
        script.external_attr = 0o100755 << 16
        wheel.writestr(script, UV)
        wheel.writestr("uv-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: uv\nVersion: 1\n")
        wheel.writestr(
            "uv-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("uv-1.dist-info/RECORD", "")
    conf = f"[global]\nno-index = true\nfind-links = {machine}\nrequire-virtualenv = true\n"
    conf += (
        f"[install]\nuser = true\ntarget = {machine}/target\nprefix = {machine}/prefix\nno-binary = :all:\n"
    )
    (machine / "pip.conf").write_text(conf)
    install(machine, "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    process = set_up(
        machine, PIP_CONFIG_FILE=str(machine / "pip.conf"), PIP_USER="1", PIP_TARGET="/elsewhere"
    )
    assert process.returncode == 0, process.stderr
    assert (machine / ".tools/bin/uv").exists()
    assert calls(machine)[0].startswith("venv")
    assert not (machine / "target").exists()
