"""Timetric's errors: its client tells the status alone; who looks at the answer finds the words."""

from api.errors import Wording, body_under


def _owns(path: str) -> bool:
    path = path.removeprefix("/timetric")
    return path == "/create/" or (path.startswith("/series/") and path.endswith("/"))


WORDING = Wording(owns=_owns, body=body_under("error"), challenge='OAuth realm=""')
