"""Somebody at the desk, as a browser without JavaScript is: signed in, following links, sending forms."""

from __future__ import annotations

import html
import re
from typing import Any

from starlette.testclient import TestClient

from desk.access import Role
from tests.desk.conftest import Office


class Visitor:
    """A session; `get` gives the text of a page, `send` follows a form to the page behind it."""

    def __init__(self, office: Office, name: str, *roles: Role, **limits: object) -> None:
        self.client = TestClient(office.app)
        self.client.post("/login", data={"token": office.token(*roles, name=name, **limits)})
        self.csrf = re.findall(r'name="csrf" value="([0-9a-f]+)"', self.client.get("/").text)[0]

    def get(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {told(answer.text)}"
        return answer.text

    def post(self, path: str, **form: Any) -> Any:
        """The answer to a form, wherever it leads."""
        return self.client.post(path, data={"csrf": self.csrf, **form})

    def send(self, path: str, **form: Any) -> str:
        answer = self.post(path, **form)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {told(answer.text)}"
        return str(answer.text)

    def decide(self, item: str, kind: str, reason: str = "seen") -> Any:
        """Look at an item and answer it."""
        seal = re.findall(r'name="seal" value="([0-9a-f]+)"', self.get(f"/review/{item}"))[0]
        return self.post(f"/review/{item}", kind=kind, reason=reason, seal=seal)


def told(page: str) -> str:
    """What a page says, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page.partition("<main")[2])).split())


def items(page: str) -> list[str]:
    """The items that a page links to, in order, each once."""
    return list(dict.fromkeys(re.findall(r"/review/([0-9a-f]{16})", page)))
