"""The Chromium that tests open pages in: found, or installed where that can be done."""

import os
import shutil
import subprocess
import sys

import _venv

NAMES = ("chromium", "chromium-browser", "google-chrome")
"""What tests/chromium.py looks for as well."""

# Without a font, text in a page has no width, and what is clicked on no place.
PACKAGES = ("chromium", "fonts-dejavu-core")


def ensure() -> None:
    """Install Chromium where none is in PATH, this is Debian, and we may.

    Elsewhere say how to; the tests that need it will fail, and the others tell what they tell.
    """
    if _is_installed():
        return
    apt = shutil.which("apt-get")
    if apt is not None and os.geteuid() == 0:
        _say("No Chromium here: installing it for the tests in a browser ...")
        install = ("install", "--no-install-recommends", *PACKAGES)
        if _apt(apt, "update") and _apt(apt, *install) and _is_installed():
            return
        _say("apt-get could not install it: see above.")
    _say(
        f"The tests in a real browser will fail: none of {', '.join(NAMES)} is in PATH. Install "
        "Chromium by this system's means; on Debian, as root: "
        f"apt-get install {' '.join(PACKAGES)}"
    )


def _is_installed() -> bool:
    return any(map(shutil.which, NAMES))


def _apt(apt: str, *arguments: str) -> bool:
    command = [apt, "--quiet", "--yes", "--option", "DPkg::Lock::Timeout=600", *arguments]
    variables = {**_venv.environment(), "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
