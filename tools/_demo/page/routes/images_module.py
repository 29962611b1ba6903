"""What the page does, in the browser: sends images, and follows their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from browser import window

from sprag import Module

if TYPE_CHECKING:
    from sprag.browser.python import Element, Event, File, Result, Timer

_TRIES = 3
_PATIENCE_SECONDS = 0.7
_SAID_SECONDS = 6


class ImagesModule(Module):
    """The list `images` of the state has a dict for each card, oldest first, which is the order of
    the work: the server makes them, apart from those of files that are not sent yet."""

    def __init__(self) -> None:
        self._count = 0
        self._online = True
        self._files: dict[str, File] = {}  # of cards that are still to be sent
        self._tries: dict[str, int] = {}
        self._waiting: list[str] = []
        self._sending: str | None = None
        self._unknown: list[str] = []  # jobs that may be those of what is being sent
        self._asked: dict[str, bool] = {}  # whether to ask once more when the answer is there
        self._awaited = False  # whether the next image is the first of the samples
        self._drag: Timer | None = None
        self._outage: Timer | None = None
        self._saying: Timer | None = None

    def on_start(self) -> None:
        self.set_state({"dragging": False, "making": False, "offline": False, "said": ""})
        self._show(self.state["images"])
        self.on_socket("sprag:queue.job.changed", self._on_job_changed)
        self.on_socket("sprag:action.finished", self._on_samples_made)
        self.on_socket("sprag:connection.changed", self._on_connection)
        # Wherever a file is let go: the browser would leave the page for it.
        self.delegate(self.element, "dragover", "*", self._on_drag)
        self.delegate(self.element, "drop", "*", self._on_drop)
        self.delegate(self.element, "click", "[data-do]", self._on_button)
        self.delegate(self.element, "keydown", "[data-id]", self._on_key)
        window.bind("beforeunload", self._on_leaving)

    # Files

    def _on_drag(self, event: Event) -> None:
        event.prevent_default()
        if self._drag is not None:
            self._drag.cancel()
        # The browser says again and again that something is above the page, and not that it left.
        self._drag = self.after(0.5, self._on_drag_left)
        if not self.state["dragging"]:
            self.set_state({"dragging": True})

    def _on_drag_left(self) -> None:
        self.set_state({"dragging": False})

    def _on_drop(self, event: Event) -> None:
        event.prevent_default()
        self.set_state({"dragging": False})
        self._take(event.files)

    def on_choose(self, event: Event, target: Element) -> None:
        self._take(event.files)
        target.value = ""  # so that the same file can be chosen again

    def _take(self, files: list[File]) -> None:
        images = self.state["images"]
        for file in files:
            self._count += 1
            id_ = f"{self.state['page']}-{self._count}"
            card: dict[str, Any] = {
                "id": id_, "key": id_, "name": file.name, "status": "sending", "says": "Sending",
                "percent": None, "busy": True, "can_cancel": False, "can_retry": False,
                "refused": False, "picture": None, "largest": None, "files": [], "created_at": None,
            }  # fmt: skip
            if file.size > self.state["max_bytes"]:
                most = self.state["max_bytes"] // 2**20
                card = _refused(card, f"It is too large: expected at most {most} MB")
            else:
                self._files[id_] = file
                self._waiting.append(id_)
            images = [*images, card]
        if files:
            self._show(images)
            self._look_at(images[-len(files)]["id"])
            self._say(f"{len(files)} taken" if len(files) > 1 else f"{files[0].name} taken")
            self._send()

    def _send(self) -> None:
        """One after the other: so they are put to work in the order in which they were taken."""
        if not self._waiting or not self._online or self._sending is not None:
            return
        id_ = self._sending = self._waiting.pop(0)
        call = self.call_action("upload_image", {"token": id_, "image": self._files[id_]})
        call.then(self._with(id_, self._on_sent)).catch(self._with(id_, self._on_not_sent))

    def _with(self, id_: str, handler: Any) -> Any:
        return lambda result: handler(id_, result)

    def _on_sent(self, id_: str, result: Result) -> None:
        image = result.value
        known = self._find(image["id"]) is not None
        sent = {**image, "key": id_}  # so that its card stays what it is
        images = [sent if one["id"] == id_ else one for one in self.state["images"]]
        if known:
            images = [one for one in self.state["images"] if one["id"] != id_]
        self._show(images)
        if image["id"] in self._unknown:
            self._unknown.remove(image["id"])
            self._ask(image["id"])  # it went on before we knew that it is ours
        self._sent(id_)

    def _on_not_sent(self, id_: str, result: Result) -> None:
        if self._online:
            self._tries[id_] = self._tries.get(id_, 0) + 1
        if _is_unreachable(result) and (not self._online or self._tries[id_] < _TRIES):
            # The server may have died with it, or after it: what is sent twice is one job.
            self._sending = None
            self._waiting.insert(0, id_)
            self.after(1, self._send)
            return
        said = "It could not be read, or not be sent" if _is_unreachable(result) else _why(result)
        images = [_refused(one, said) if one["id"] == id_ else one for one in self.state["images"]]
        self._show(images)
        name = self._files[id_].name
        self._sent(id_)
        self._say(f"{name} was not taken. {said}")

    def _sent(self, id_: str) -> None:
        self._sending = None
        del self._files[id_]
        self._send()
        if not self._files:
            # Those of another tab.
            unknown, self._unknown = self._unknown, []
            for job_id in unknown:
                self._ask(job_id)

    def _on_leaving(self, event: Any) -> None:
        """What is not sent yet goes with the page: let the browser ask whether that is meant."""
        if self._files:
            event.preventDefault()

    # Jobs

    def _on_job_changed(self, data: dict[str, Any]) -> None:
        job_id = data["job_id"]
        image = self._find(job_id)
        if image is None and self._files:
            if job_id not in self._unknown:
                self._unknown.append(job_id)
        elif image is None or data["event"] != "progress":
            self._ask(job_id)
        elif image["status"] == "running":
            progress = data["progress"]
            self._replace({**image, "percent": progress["percent"], "says": progress["message"]})

    def _ask(self, job_id: str) -> None:
        if job_id in self._asked:
            self._asked[job_id] = True
            return
        self._asked[job_id] = False
        call = self.call_action("image", {"job_id": job_id})
        call.then(self._with(job_id, self._on_answer)).catch(self._with(job_id, self._on_none))

    def _on_answer(self, job_id: str, result: Result) -> None:
        before = self._find(job_id)
        self._replace(result.value)
        if before is None and self._awaited:
            self._awaited = False
            self._look_at(job_id)
        now = result.value["status"]
        if now == "failed" and (before is None or before["status"] != now):
            self._say(f"{result.value['name']} failed. {result.value['says']}")
        if self._asked.pop(job_id):
            self._ask(job_id)
        elif not any(image["busy"] for image in self.state["images"]):
            self._say(self.state["summary"])

    def _on_none(self, job_id: str, result: Result) -> None:
        self._asked.pop(job_id)
        if _is_unreachable(result):
            # The signals that come with the new connection may not be of this one.
            self.after(1, self._with_none(job_id))

    def _with_none(self, job_id: str) -> Any:
        return lambda: self._ask(job_id)

    # Buttons and keys

    def _on_button(self, _event: Event, target: Element) -> None:
        card = target.closest("[data-id]")
        if card is not None:
            self._do(target.dataset["do"], card)

    def _on_key(self, event: Event, target: Element) -> None:
        if event.key not in ("Delete", "Backspace"):
            return
        image = self._find(target.dataset["id"])
        if image is not None and image["can_cancel"]:
            event.prevent_default()
            self._do("cancel_image", target)
        elif image is not None and image["refused"]:
            event.prevent_default()
            self._do("dismiss", target)

    def _do(self, what: str, card: Element) -> None:
        id_ = card.dataset["id"]
        if what == "dismiss":
            self._show([one for one in self.state["images"] if one["id"] != id_])
            return
        card.focus()  # the button is about to go
        call = self.call_action(what, {"job_id": id_})
        call.then(self._on_done).catch(self._on_not_done)

    def _on_done(self, result: Result) -> None:
        self._replace(result.value)
        self._say(f"{result.value['name']}: {result.value['says']}")

    def _on_not_done(self, result: Result) -> None:
        if _is_unreachable(result):
            self._say("The server cannot be reached: try again when it is back")
        else:
            self._say(_why(result))

    def on_samples(self) -> None:
        self._awaited = True
        self.set_state({"making": True})
        self._say("Making large images. Each is put to work as soon as it is there.")
        self.call_action("add_samples").catch(self._on_samples_refused)

    def _on_samples_refused(self, result: Result) -> None:
        self.set_state({"making": False})
        self._on_not_done(result)

    def _on_samples_made(self, data: dict[str, Any]) -> None:
        if data["action"] == "add_samples":
            self.set_state({"making": False})
            if not data["ok"]:
                self._say(f"The samples could not be made. {data['error']['message']}")

    def on_clear(self) -> None:
        self.call_action("clear_images").then(self._on_cleared).catch(self._on_not_done)

    def _on_cleared(self, result: Result) -> None:
        unsent = [image for image in self.state["images"] if image["status"] == "sending"]
        self._show([*result.value, *unsent])
        self._say("What had ended was removed")
        chooser = self.element.query("#chooser")
        if chooser is not None:
            chooser.focus()

    # The connection

    def _on_connection(self, data: dict[str, Any]) -> None:
        self._online = data["online"]
        if self._outage is not None:
            self._outage.cancel()
        if self._online:
            if self.state["offline"]:
                # Samples that were being made when the server died are made no more.
                self.set_state({"offline": False, "making": False})
                self._say("The server is back, and goes on where it was.")
            self._send()
        else:
            # A moment without it is not worth a word.
            self._outage = self.after(_PATIENCE_SECONDS, self._on_outage)

    def _on_outage(self) -> None:
        self.set_state({"offline": True})

    # The list

    def _look_at(self, id_: str) -> None:
        """Bring a card into view: what is new is at the end."""
        card = self.element.query(f'[data-id="{id_}"]')
        if card is not None:
            card.focus()

    def _find(self, id_: str) -> dict[str, Any] | None:
        for image in self.state["images"]:
            if image["id"] == id_:
                found: dict[str, Any] = image
                return found
        return None

    def _replace(self, image: dict[str, Any]) -> None:
        known = self._find(image["id"])
        if known is None:
            # Answers may come in another order than the images did.
            earlier = [one for one in self.state["images"] if not _is_later(one, image)]
            later = [one for one in self.state["images"] if _is_later(one, image)]
            self._show([*earlier, image, *later])
        else:
            now = {**image, "key": known["key"]}
            self._show([now if one["id"] == image["id"] else one for one in self.state["images"]])

    def _show(self, images: list[dict[str, Any]]) -> None:
        ended = [image for image in images if not image["busy"]]
        done = [image for image in images if image["status"] == "completed"]
        summary = f"{len(done)} of {len(images)} done"
        for status in ("failed", "cancelled", "refused"):
            count = len([image for image in images if image["status"] == status])
            if count:
                summary += f", {count} {'not taken' if status == 'refused' else status}"
        shares = [(image["percent"] or 0) if image["busy"] else 100 for image in images]
        self.set_state(
            {
                "images": images,
                "empty": not images,
                "summary": summary,
                "percent_of_all": sum(shares) / len(shares) if shares else 0,
                "working": len(ended) < len(images),
                "can_clear": bool(ended),
            }
        )

    def _say(self, text: str) -> None:
        if self._saying is not None:
            self._saying.cancel()
        self._saying = self.after(_SAID_SECONDS, self._on_said)
        self.set_state({"said": text})

    def _on_said(self) -> None:
        self.set_state({"said": ""})


def _is_later(one: dict[str, Any], image: dict[str, Any]) -> bool:
    return one["created_at"] is not None and one["created_at"] > image["created_at"]


def _is_unreachable(result: Result) -> bool:
    return result.error is not None and result.error.type in ("network", "unavailable")


def _why(result: Result) -> str:
    return "" if result.error is None else result.error.message


def _refused(card: dict[str, Any], why: str) -> dict[str, Any]:
    return {**card, "status": "refused", "says": why, "busy": False, "refused": True}
