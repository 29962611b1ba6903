"""The default stylesheet: which pages have it, and that it is small."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest

from sprag.browser import stylesheet
from tests.web.conftest import Browse, MakeApp

SHELL = "<html><head>{{ head }}</head><body>{{ content }}</body></html>"
LINK = re.compile(r'<link rel="stylesheet" href="([^"]+/sprag\.[0-9a-f]{12}\.css)">')


@pytest.mark.parametrize(
    ("options", "has"),
    [
        ({}, True), ({"stylesheet": True}, True), ({"stylesheet": False}, False),
        ({"shell": SHELL}, False), ({"shell": SHELL, "stylesheet": True}, True),
        ({"shell": SHELL, "stylesheet": None}, False),
    ],
)  # fmt: skip
def test_pages_without_a_shell_of_their_own_have_it_unless_told_otherwise(
    options: dict[str, Any], has: bool, make_app: MakeApp, browse: Browse
) -> None:
    client = browse(make_app(**options))
    found = LINK.findall(client.get("/").text)
    assert len(found) == has
    for path in found:
        answer = client.get(path)
        assert answer.headers["content-type"] == "text/css; charset=utf-8"
        assert "immutable" in answer.headers["cache-control"]
        assert "prefers-reduced-motion" in answer.text


def test_its_place_in_the_head_lets_a_pages_own_rules_come_after_it(
    make_app: MakeApp, browse: Browse
) -> None:
    text = (
        browse(make_app(shell="<head>{{ head }}<style></style></head>", stylesheet=True))
        .get("/")
        .text
    )
    assert 0 < text.index("sprag.") < text.index("<style>")


def test_it_weighs_under_4_kb_and_loads_nothing_from_elsewhere() -> None:
    asset = stylesheet()
    assert len(asset.gzipped) < 4096
    text = gzip.decompress(asset.gzipped).decode()
    assert not re.search(r"url\(|@import|/\*", text)
    assert text.count("{") == text.count("}")
