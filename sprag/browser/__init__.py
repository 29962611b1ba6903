"""What runs in a page, how its files are served, and what is checked before that.

`check` and `files` are for the server; `python` is what a page's Python file imports as `sprag`.
"""

from __future__ import annotations

from .check import ModuleFile, ModuleRefused, check, check_markup
from .files import PythonNames, core_assets, early_name, page_module, python_assets
from .files import python_names as python_names
from .files import script_name as script_name
from .files import stylesheet as stylesheet
from .python import Module

__all__ = [
    "Module",
    "ModuleFile",
    "ModuleRefused",
    "PythonNames",
    "check",
    "check_markup",
    "core_assets",
    "early_name",
    "page_module",
    "python_assets",
    "python_names",
    "script_name",
    "stylesheet",
]
