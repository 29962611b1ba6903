"""The Chromium that tests open pages in: found, or installed where that can be done."""

import os
import shutil
import subprocess
import sys

import _venv

SHELL = "chromium-headless-shell"
"""Chromium without windows, which opens a page in a third of the time."""

NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome")
"""What tests/chromium.py looks for as well, in this order."""

# Without a font, text in a page has no width, and what is clicked on no place.
PACKAGES = (SHELL, "fonts-dejavu-core")


def ensure() -> None:
    """Install Chromium without windows where none is in PATH, this is Debian, and we may.

    Elsewhere another Chromium does. Where there is none, say how to install one; the tests that
    need it will fail, and the others tell what they tell.
    """
    if shutil.which(SHELL):
        return
    is_there = any(map(shutil.which, NAMES))
    apt = shutil.which("apt-get")
    if apt is not None and os.geteuid() == 0:
        _say(f"No {SHELL} here: installing it for the tests in a browser ...")
        # Where another does, the lists of packages need not be fetched each time in vain.
        if (is_there or _apt(apt, "update")) and _apt(apt, *INSTALL) and shutil.which(SHELL):
            return
        _say("apt-get could not install it: see above.")
    if is_there:
        return
    _say(
        f"The tests in a real browser will fail: none of {', '.join(NAMES)} is in PATH. Install "
        "Chromium by this system's means; on Debian, as root: "
        f"apt-get install {' '.join(PACKAGES)}"
    )


INSTALL = ("install", "--no-install-recommends", *PACKAGES)


def _apt(apt: str, *arguments: str) -> bool:
    command = [apt, "--quiet", "--yes", "--option", "DPkg::Lock::Timeout=600", *arguments]
    variables = {**_venv.environment(), "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
