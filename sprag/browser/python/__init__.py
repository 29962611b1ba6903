"""What a page's Python file imports as `sprag`: class Module, and what its methods return.

This folder is two things. In a browser its files, joined, are the module `sprag`, so that a page's
file says `from sprag import Module`. On a server it can be imported for its names and types, for
editors and checkers; its methods refuse to work there. It therefore imports nothing that a browser
lacks, which is nearly everything: `connect` gives it the functions that it needs.
"""

from __future__ import annotations

from .elements import Attributes, Classes, Element
from .events import Event, File
from .module import Module, Timer
from .receivers import connect as connect
from .results import ActionError, Call, Result

__all__ = [
    "ActionError",
    "Attributes",
    "Call",
    "Classes",
    "Element",
    "Event",
    "File",
    "Module",
    "Result",
    "Timer",
]
