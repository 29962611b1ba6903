"""A line of the report: a claim, how often it was tried, and what contradicts it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Line:
    """One row of the table. Without problems it is good."""

    claim: str
    count: int
    problems: list[str] = field(default_factory=list)
    remark: str = ""
    """What explains the count."""
