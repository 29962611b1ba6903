"""Virtual environments that the tools make for themselves, in `.venvs/` of the tree.

A tool that runs inside its environment starts with

    import _venv
    _venv.enter("demo", _venv.requirements("demo"))

before it imports anything else that is not in the standard library. The first run installs
what is missing; later runs need no network. A changed requirement, an interrupted first run
or a moved tree makes the environment anew; `rm -r .venvs` forgets them all. With SPRAG_TOOLS_HERE=1
no tool makes any: this very Python is taken to have everything, as that of the tests has.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python gets this sentence, no traceback
    sys.exit(
        f"sprag needs Python 3.11 or newer, {sys.executable} is {sys.version.split()[0]}: "
        "start the same command with a newer one, such as python3.11."
    )

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venvs"


RARELY_USED = r"/(django|mypy|mypyc|pip|pygments)/"


class SetupError(SystemExit):
    """An environment could not be made; the message says what is missing, and what would help.

    Uncaught, it ends the program with that message.
    """


def requirements(*groups: str) -> list[str]:
    """What pyproject.toml asks for: to build sprag, to run it with its extras, and `groups`."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    wanted = [
        pyproject["build-system"]["requires"],
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *(pyproject["dependency-groups"][group] for group in groups),
    ]
    return [requirement for part in wanted for requirement in part]


def enter(name: str, requirements: Sequence[str]) -> None:
    """Go on inside the environment `name`, with `requirements` and sprag itself installed.

    Starts this process again with the environment's Python; returns only there.
    """
    if _here():
        return
    if Path(sys.prefix) == _directory(name, f"{sys.version_info.major}.{sys.version_info.minor}"):
        return
    python = ensure(name, requirements)
    install_sprag(python)
    os.execve(python, [str(python), *sys.orig_argv[1:]], environment(safe_path=False))


def ensure(name: str, requirements: Sequence[str], *, base: str = sys.executable) -> Path:
    """The Python of an environment called `name` that holds `requirements`; made if need be.

    `base` is the Python it is made from: a path, a command or a version such as "3.12".
    Each version has an environment of its own. Waits while another process makes the same one.
    """
    if _here():
        return Path(sys.executable)
    interpreter = _Interpreter.find(base)
    directory = _directory(name, interpreter.version)
    python = directory / "bin" / "python"
    stamp = directory / "complete"
    digest = _digest([str(directory), interpreter.build, *requirements])
    with exclusive(directory.name):
        if not (python.exists() and _read(stamp) == digest):
            _say(f"Setting up {directory} ...")
            stamp.unlink(missing_ok=True)
            interpreter.make_venv(directory)
            if not run([*_pip(python), "install", "--no-compile", *requirements]):
                raise SetupError(
                    f"pip could not install what {directory} needs: {', '.join(requirements)}. "
                    "If it found no package index: the first run needs a network, or a mirror "
                    "named in PIP_INDEX_URL; later runs need neither."
                )
            # By all cores at once, and without what is large and little used: pip compiles one file
            # after the other. What does not compile is for other versions of Python.
            compiling = [str(python), "-m", "compileall", "-qq", "-j", "0", "-x", RARELY_USED]
            run([*compiling, str(directory / "lib")])
            stamp.write_text(digest)
    return python


def install_sprag(python: Path) -> None:
    """Build the wheel of the tree as it is now, and install it, its program too, for `python`.

    Needs no network: the environment holds the build backend and every dependency. Leaves the
    installed one alone when the wheel has not changed.
    """
    directory = python.parent.parent
    stamp = directory / "wheel"
    with exclusive(directory.name), tempfile.TemporaryDirectory() as out:
        build = [str(python), "-m", "hatchling", "build", "--target", "wheel", "--directory", out]
        if not run(build, quiet=True):
            raise SetupError("The wheel could not be built: see above.")
        [wheel] = Path(out).glob("*.whl")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if _read(stamp) == digest:
            return
        stamp.unlink(missing_ok=True)
        uninstall = [*_pip(python), "uninstall", "--yes", wheel.name.partition("-")[0]]
        install = [*_pip(python), "install", "--no-index", f"{wheel}[cli,web]"]
        if not (run(uninstall, quiet=True) and run(install)):
            raise SetupError(f"{wheel.name} could not be installed: see above.")
        stamp.write_text(digest)


@contextlib.contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the lock `name` of this tree; other processes wait. It ends with the process."""
    VENVS.mkdir(exist_ok=True)
    with (VENVS / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"Waiting for another process that holds {lock.name} ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(*, safe_path: bool = True) -> dict[str, str]:
    """The variables of this process without those that change what Python imports, and how fast:
    compiling the tests, in each process that runs some, takes longer than reading them.

    With `safe_path`, neither a Python started with them nor its children look for modules in
    the current folder: there, `import sprag` would find the tree instead of the wheel.
    """
    kept = {key: value for key, value in os.environ.items() if key not in _CHANGES_IMPORTS}
    return {**kept, "PYTHONSAFEPATH": "1"} if safe_path else kept


def run(command: Sequence[str], *, quiet: bool = False, **variables: str) -> bool:
    """Whether `command`, run in the tree, succeeds; if `quiet`, what it says shows only if not.
    `variables` are added to its environment."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environment(), **variables},
        stdin=subprocess.DEVNULL if sys.stdin is None else None,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
    )
    try:
        said, _ = process.communicate()
    except KeyboardInterrupt:
        process.communicate()  # the terminal interrupts both: let it end in its own way
        raise
    if quiet and process.returncode != 0:
        _say(said)
    return process.returncode == 0


_CHANGES_IMPORTS = {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH"}


def _here() -> bool:
    return bool(os.environ.get("SPRAG_TOOLS_HERE"))


def _directory(name: str, version: str) -> Path:
    return VENVS / f"{name}-{version}"


@dataclass(frozen=True)
class _Interpreter:
    """A Python that environments are made from."""

    path: str
    version: str  # as in "3.12"
    build: str  # tells one installation of that version from another
    has_ensurepip: bool
    has_pip: bool

    @classmethod
    def find(cls, name: str) -> "_Interpreter":
        path = shutil.which(f"python{name}" if re.fullmatch(r"[\d.]+", name) else name)
        if path is None:
            raise SetupError(f"No Python is called {name!r} here.")
        path = str(Path(path).absolute())
        answer = subprocess.run(
            [path, "-c", _PROBE],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise SetupError(f"{path} does not run, or is no Python:\n{answer.stderr.strip()}")
        interpreter = cls(path, **json.loads(answer.stdout))
        if tuple(map(int, interpreter.version.split("."))) < (3, 11):
            raise SetupError(f"sprag needs Python 3.11 or newer, {path} is {interpreter.version}.")
        return interpreter

    def make_venv(self, directory: Path) -> None:
        """An empty environment with pip in `directory`, in place of what is there."""
        make = [self.path, "-m", "venv", "--clear", str(directory)]
        if self.has_pip:
            # The newest pip takes half the time of those that came with Python. Nor does Debian's
            # Python without python3-venv have one to give.
            pip = [self.path, "-m", "pip", "--python", str(directory / "bin" / "python"), "--quiet"]
            made = run([*make, "--without-pip"]) and run([*pip, "install", "--no-compile", "pip"])
        elif self.has_ensurepip:
            made = run(make)
        else:
            _say(f"{self.path} has neither ensurepip nor pip.")
            made = False
        if not made:
            raise SetupError(
                f"{self.path} could not make {directory}: see above. If something is missing: on "
                f"Debian and Ubuntu it is in the package python{self.version}-venv."
            )


_PROBE = """
import importlib.util, json, sys
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "build": sys.version + " in " + sys.base_prefix,
    "has_ensurepip": importlib.util.find_spec("ensurepip") is not None,
    "has_pip": importlib.util.find_spec("pip") is not None,
}))
"""


def _pip(python: Path) -> list[str]:
    return [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read(file: Path) -> str | None:
    return file.read_text() if file.is_file() else None


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
