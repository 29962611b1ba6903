"""Elements of the page, and their attributes and classes."""

from __future__ import annotations

from .line import call

TYPE_CHECKING = False  # known to checkers by its name; a browser needs no types
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Element:
    """A handle of an element of the page; two handles of the same element are equal.

    It does not keep the element alive: once that has left the page for good, LookupError.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Element) and self._number == other._number

    def __hash__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        return f"<Element {self.tag}>"

    @property
    def tag(self) -> str:
        """The name of its kind, such as `button`."""
        return str(self._get("tag"))

    @property
    def text(self) -> str:
        """Its text, never HTML. Setting it replaces the content."""
        return str(self._get("text"))

    @text.setter
    def text(self, text: object) -> None:
        self._set("text", str(text))

    @property
    def value(self) -> str:
        """The value of a form's field."""
        return str(self._get("value"))

    @value.setter
    def value(self, value: object) -> None:
        self._set("value", str(value))

    @property
    def checked(self) -> bool:
        """True if a checkbox or a radio button is checked."""
        return bool(self._get("checked"))

    @checked.setter
    def checked(self, checked: object) -> None:
        self._set("checked", bool(checked))

    @property
    def attributes(self) -> Attributes:
        """Its attributes, as a dict of texts."""
        return Attributes(self, "")

    @property
    def dataset(self) -> Attributes:
        """Its data- attributes: `dataset["job_id"]` is `data-job-id`."""
        return Attributes(self, "data-")

    @property
    def classes(self) -> Classes:
        """Its classes, as a set."""
        return Classes(self)

    def query(self, selector: str) -> Element | None:
        """The first element inside that matches, or None."""
        return _element(self._ask("query", selector=selector))

    def query_all(self, selector: str) -> list[Element]:
        """All elements inside that match, in the order of the page."""
        return [Element(number) for number in self._ask("query_all", selector=selector)]

    def closest(self, selector: str) -> Element | None:
        """Itself, or the innermost element around it that matches, or None."""
        return _element(self._ask("closest", selector=selector))

    def focus(self) -> None:
        """Give it the keyboard focus."""
        self._ask("focus")

    def remove(self) -> None:
        """Remove it from the page."""
        self._ask("remove")

    def _get(self, name: str) -> Any:
        return self._ask("get", name=name)

    def _set(self, name: str, value: Any) -> None:
        self._ask("set", name=name, value=value)

    def _ask(self, verb: str, **fields: Any) -> Any:
        return call(verb, element=self._number, **fields)


class Attributes:
    """The attributes of an element. What could run code (on…, style, javascript:) is refused."""

    def __init__(self, element: Element, prefix: str) -> None:
        self._element = element
        self._prefix = prefix

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: object) -> None:
        text = value if value is None or isinstance(value, bool) else str(value)
        self._element._ask("set_attribute", name=self._full(name), value=text)

    def __delitem__(self, name: str) -> None:
        self[name] = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        start = len(self._prefix)
        names = self._element._ask("attributes")
        return iter([name[start:] for name in names if name.startswith(self._prefix)])

    def get(self, name: str, default: str | None = None) -> str | None:
        """The attribute's text, or `default`."""
        value = self._element._ask("attribute", name=self._full(name))
        return default if value is None else str(value)

    def _full(self, name: str) -> str:
        return self._prefix + name.replace("_", "-") if self._prefix else name


class Classes:
    """The classes of an element."""

    def __init__(self, element: Element) -> None:
        self._element = element

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._element._ask("classes"))

    def add(self, *names: str) -> None:
        for name in names:
            self.toggle(name, True)

    def remove(self, *names: str) -> None:
        for name in names:
            self.toggle(name, False)

    def toggle(self, name: str, on: bool | None = None) -> bool:
        """Add the class if `on` is true, remove it if false, change it if None. True if it is there
        now."""
        return bool(self._element._ask("toggle_class", name=name, on=on))


def _element(number: int | None) -> Element | None:
    return None if number is None else Element(number)
