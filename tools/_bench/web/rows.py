"""Rows: the page beside Starlette by hand, and the bars that each figure is held against."""

from __future__ import annotations

from ..plan import Bar, Case, Group, Sizes

SUBJECTS = ("sprag", "bare")


def groups(sizes: Sizes) -> tuple[Group, ...]:
    """Every row of the table, in its order."""
    return (
        _commit_to_dom(sizes),
        *(_actions(sizes, sync, count) for sync in ("full", "normal") for count in (1, 8)),
        _sockets(sizes),
        _memory(sizes),
        _weight(),
        _imports(sizes),
    )


def _commit_to_dom(sizes: Sizes) -> Group:
    options = {"samples": sizes.samples // 2, "pause": 0.03}
    return Group(
        "dom",
        tuple(Case(subject, "commit to dom", "full", options) for subject in SUBJECTS),
        (
            Bar(
                "COMMIT to DOM in two hops, p50 / bare Starlette", "p50", 3.0, at_least=False,
                against=("bare",),
            ),
        ),
    )  # fmt: skip


def _actions(sizes: Sizes, sync: str, connections: int) -> Group:
    options = {"seconds": sizes.seconds, "connections": connections}
    shown = "1 connection" if connections == 1 else f"{connections} connections"
    return Group(
        f"actions-{sync}-{connections}",
        tuple(Case(subject, "actions", sync, options) for subject in SUBJECTS),
        (
            Bar(
                f"action that enqueues, {sync}, {shown} / bare Starlette", "rate", 0.6,
                at_least=True, against=("bare",),
            ),
        ),
    )  # fmt: skip


def _sockets(sizes: Sizes) -> Group:
    # 4 workers that each take 7 ms and a bit for a job of two moves: 1,000 moves a second.
    options = {"sessions": sizes.sockets, "jobs": 2 * sizes.sockets, "pause": 0.007}
    return Group(
        "sockets",
        tuple(
            Case("sprag", "drain", "normal", {**options, "pages": pages}, label)
            for label, pages in (("sprag", sizes.sockets), ("no socket", 0))
        ),
        (
            Bar(
                f"drain with {sizes.sockets:,} open sockets / with none", "rate", 0.85,
                at_least=True, against=("no socket",),
            ),
        ),
    )  # fmt: skip


def _memory(sizes: Sizes) -> Group:
    return Group(
        "memory",
        tuple(
            Case("sprag", "memory", "normal", {"pages": sizes.sockets, "deflate": deflate}, label)
            for label, deflate in (("sprag", False), ("frames compressed", True))
        ),
        (
            Bar(
                "memory of an open socket", "added", 30e3, at_least=False,
                references=("frames compressed",), unit="KB",
            ),
        ),
    )  # fmt: skip


def _weight() -> Group:
    return Group(
        "weight",
        (
            Case("sprag", "weight", "full", {"path": "/script"}, "no Python"),
            Case("sprag", "weight", "full", {"path": "/"}, "Python"),
        ),
        (
            *(
                Bar(f"page, {name}", "bytes", limit, at_least=False, ours=name, unit="KB")
                for name, limit in (("no Python", 12e3), ("Python", 320e3))
            ),
            *(
                Bar(work, metric, 0, at_least=False, ours="Python", unit="count")
                for work, metric in (
                    ("  files of it that are not cached for good", "fleeting"),
                    ("  bytes of files at the second visit", "again"),
                )
            ),
        ),
    )


def _imports(sizes: Sizes) -> Group:
    return Group(
        "import",
        (Case("sprag", "imports", "full", {"samples": sizes.imports}),),
        (
            Bar("import sprag.queue", "seconds", 0.06, at_least=False, unit="ms"),
            Bar("  web packages loaded", "web", 0, at_least=False, unit="count"),
        ),
    )
