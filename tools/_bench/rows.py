"""Rows: which measurements belong together, and which bars they are held against."""

from __future__ import annotations

from collections.abc import Iterable

from .peers import DURABLE, REFERENCES, SERVERS
from .plan import Bar, Case, Group, Sizes


def groups(sizes: Sizes) -> tuple[Group, ...]:
    """Every row of the table, in its order."""
    return (
        _drain_full(sizes),
        _drain_normal(sizes),
        _enqueue_full(sizes),
        _enqueue_normal(sizes),
        _enqueue_threads(sizes),
        _enqueue_many(sizes, "full"),
        _enqueue_many(sizes, "normal"),
        _idle(sizes, "full", 1.2),
        _idle(sizes, "normal", 1.6),
        _inside(sizes),
        _finished(sizes),
        _queued(sizes),
        _busy(sizes, "full"),
        _busy(sizes, "normal"),
        _memory(sizes),
    )


def _each(subjects: Iterable[str], measure: str, sync: str, **options: object) -> tuple[Case, ...]:
    return tuple(Case(subject, measure, sync, options) for subject in subjects)


def _drain_full(sizes: Sizes) -> Group:
    work = f"drain {sizes.jobs:,} jobs, full"
    return Group(
        "drain-full",
        (
            *_each(("sprag", *DURABLE, *REFERENCES), "drain", "full", jobs=sizes.jobs),
            *_each(SERVERS, "drain", "full", jobs=sizes.jobs // 10),
            Case("raw", "life", "full", {"jobs": sizes.jobs, "together": 4}),
        ),
        (
            Bar(
                f"{work} / best durable peer", "rate", 4.0, at_least=True,
                against=(*DURABLE, *SERVERS), references=tuple(REFERENCES),
            ),
            Bar(f"{work} / raw, 4 a transaction", "rate", 0.45, at_least=True, against=("raw",)),
        ),
    )  # fmt: skip


def _drain_normal(sizes: Sizes) -> Group:
    return Group(
        "drain-normal",
        (
            *_each(("sprag", *DURABLE, *REFERENCES), "drain", "normal", jobs=sizes.jobs),
            *_each(SERVERS, "drain", "normal", jobs=sizes.jobs // 10),
            Case("raw", "life", "normal", {"jobs": sizes.jobs, "together": 4}),
        ),
        (
            Bar(
                f"drain {sizes.jobs:,} jobs, normal / best durable peer", "rate", 3.5,
                at_least=True, against=(*DURABLE, *SERVERS), references=(*REFERENCES, "raw"),
            ),
        ),
    )  # fmt: skip


ENQUEUERS = tuple(DURABLE)
"""Accepting a job is the same work in the references."""


def _enqueue_full(sizes: Sizes) -> Group:
    return Group(
        "enqueue-full",
        (
            *_each(("sprag", "raw", *ENQUEUERS), "enqueue", "full", jobs=sizes.jobs),
            *_each(SERVERS, "enqueue", "full", jobs=sizes.jobs // 10),
        ),
        (
            Bar(
                "enqueue one by one, full / raw", "rate", 0.9, at_least=True, against=("raw",),
                references=(*ENQUEUERS, *SERVERS),
            ),
        ),
    )  # fmt: skip


def _enqueue_normal(sizes: Sizes) -> Group:
    return Group(
        "enqueue-normal",
        (
            *_each(("sprag", *ENQUEUERS, "raw"), "enqueue", "normal", jobs=2 * sizes.jobs),
            *_each(SERVERS, "enqueue", "normal", jobs=sizes.jobs // 10),
        ),
        (
            Bar(
                "enqueue one by one, normal / best peer", "rate", 1.15, at_least=True,
                against=(*ENQUEUERS, *SERVERS), references=("raw",),
            ),
        ),
    )  # fmt: skip


def _enqueue_threads(sizes: Sizes) -> Group:
    return Group(
        "enqueue-threads",
        (
            *_each(
                ("sprag", *ENQUEUERS), "enqueue threads", "full", jobs=2 * sizes.jobs, threads=8
            ),
            *_each(SERVERS, "enqueue threads", "full", jobs=sizes.jobs // 5, threads=8),
        ),
        (
            Bar(
                "enqueue from 8 threads, full / best peer", "rate", 2.5, at_least=True,
                against=(*ENQUEUERS, *SERVERS),
            ),
        ),
    )  # fmt: skip


def _enqueue_many(sizes: Sizes, sync: str) -> Group:
    size = sizes.batch
    return Group(
        f"enqueue-many-{sync}",
        (
            *_each(("sprag", "litequeue"), "enqueue many", sync, calls=sizes.calls, size=size),
            *_each(("huey", "persist-queue", *SERVERS), "enqueue many", sync, calls=2, size=size),
        ),
        (
            Bar(
                f"enqueue_many, {size:,} a call, {sync} / best peer", "rate", 2.0,
                at_least=True, against=(*ENQUEUERS, *SERVERS),
            ),
        ),
    )  # fmt: skip


IDLERS = ("huey", "persist-queue", "persist-queue, no ack", "litequeue")
"""A pickup ends where the handler starts, so what a peer would write afterwards does not count."""


def _idle(sizes: Sizes, sync: str, limit: float) -> Group:
    quickest = tuple(subject for subject in IDLERS if subject != "huey")
    return Group(
        f"idle-{sync}",
        (
            *_each(("sprag", "raw", *quickest), "pickup", sync, samples=sizes.samples),
            *_each(("huey",), "pickup", sync, samples=min(sizes.samples, 60)),
        ),
        (
            Bar(
                f"idle pickup p50, {sync} / one commit and one wake", "p50", limit,
                at_least=False, against=("raw",),
            ),
            Bar(
                f"idle pickup p50, {sync} / best peer", "p50", 1.0, at_least=False, against=IDLERS,
            ),
        ),
    )  # fmt: skip


def _inside(sizes: Sizes) -> Group:
    return Group(
        "in-handler",
        (Case("sprag", "in handler", "full", {"calls": sizes.loops}),),
        (
            Bar("check_cancelled(), a call", "check", 0.5e-6, at_least=False, unit="us"),
            Bar("report_progress(), a call", "report", 3e-6, at_least=False, unit="us"),
            Bar("  writes by the caller's thread", "writes", 0, at_least=False, unit="writes"),
            Bar("  longest call, file locked", "longest", 0.1, at_least=False, unit="ms"),
        ),
    )


def _finished(sizes: Sizes) -> Group:
    file = f"{sizes.million:,} finished"
    drains = tuple(
        Case("sprag", "drain", sync, {"jobs": sizes.jobs}, f"{place}, {sync}", place == "empty")
        for sync in ("full", "normal")
        for place in ("empty", "large")
    )
    return Group(
        "finished",
        (
            Case("sprag", "look", "full", {"samples": sizes.samples}, "look"),
            Case("sprag", "crash", "full", {}, "crash"),
            Case("sprag", "reopen", "full", {}, "reopen"),
            *drains,
        ),
        (
            *(
                Bar(
                    f"{file}: drain, {sync} / empty file", "rate", 0.9, at_least=True,
                    ours=f"large, {sync}", against=(f"empty, {sync}",),
                )
                for sync in ("full", "normal")
            ),
            Bar(
                f"{file}: open and recover", "recovered", 0.25, at_least=False, ours="reopen",
                unit="s",
            ),
            Bar(f"{file}: get(job_id)", "status", 1e-3, at_least=False, ours="look", unit="ms"),
            Bar(f"{file}: page of jobs()", "page", 5e-3, at_least=False, ours="look", unit="ms"),
        ),
        file="finished",
    )  # fmt: skip


def _queued(sizes: Sizes) -> Group:
    handle = sizes.jobs * 4 // 5
    return Group(
        "backlog",
        tuple(
            Case(
                "sprag", "drain part", sync,
                {"queued": 0 if place == "large" else sizes.jobs, "handle": handle},
                f"{place}, {sync}", place == "small",
            )
            for sync in ("full", "normal")
            for place in ("small", "large")
        ),
        tuple(
            Bar(
                f"{sizes.million:,} queued: drain, {sync} / {sizes.jobs:,} queued", "rate", 0.9,
                at_least=True, ours=f"large, {sync}", against=(f"small, {sync}",),
            )
            for sync in ("full", "normal")
        ),
        file="queued",
    )  # fmt: skip


def _busy(sizes: Sizes, sync: str) -> Group:
    options = {"samples": 2 * sizes.samples, "threads": 3}
    return Group(
        f"busy-{sync}",
        _each(("sprag", "raw"), "enqueue beside busy", sync, **options),
        tuple(
            Bar(
                f"enqueue beside 3 busy handlers, {sync}, {metric} / raw commit", metric, 1.5,
                at_least=False, against=("raw",),
            )
            for metric in ("p50", "p99")
        ),
    )  # fmt: skip


def _memory(sizes: Sizes) -> Group:
    return Group(
        "memory",
        (Case("sprag", "memory", "normal", {"jobs": sizes.memory}),),
        (
            Bar(
                f"memory added by {sizes.memory:,} queued jobs", "added", 30e6, at_least=False,
                unit="MB",
            ),
        ),
    )  # fmt: skip
