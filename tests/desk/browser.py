"""A real browser at a desk that listens: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from desk.access import Grant, Role
from desk.app import create_app
from desk.settings import Settings
from desk.tokens import TokenStore
from linkage.workspace import Workspace

SIZE = {"width": 1366, "height": 768}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; the test is skipped where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium here; 'apt-get install chromium' brings one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--lang=zh-CN", *(["--no-sandbox"] if os.geteuid() == 0 else [])],
            handle_sigint=False,
        )
        yield browser
        browser.close()


@contextmanager
def listening(ws: Workspace) -> Iterator[tuple[str, Workspace]]:
    """A desk that listens while the block runs: its address, and what it works on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(hosts=(f"127.0.0.1:{port}",), rate=1_000, burst=1_000, deliver_every=0)
    server = uvicorn.Server(uvicorn.Config(create_app(ws, settings), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}", ws
    server.should_exit = True
    thread.join(10)


class Person:
    """Somebody with a window of the browser, signed in. `complaints` are what the browser complained of."""

    def __init__(
        self, browser: Browser, desk: tuple[str, Workspace], name: str, *roles: Role, script: bool = True
    ) -> None:
        self.desk, ws = desk
        self.context: BrowserContext = browser.new_context(viewport=SIZE, locale="zh-CN", java_script_enabled=script)
        self.context.set_default_timeout(20_000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda told: self.complaints.append(told.text) if told.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.go("/login")
        self.page.fill("#token", TokenStore(ws).make(name, Grant(frozenset(roles)))[0])
        self.page.click("main button")

    def go(self, path: str) -> Page:
        self.page.goto(self.desk + path)
        return self.page

    def press(self, key: str) -> Page:
        """Press a key that leads to another page."""
        with self.page.expect_navigation():
            self.page.keyboard.press(key)
        return self.page

    def click(self, text: str) -> Page:
        """Press a button or a link that leads to another page, by what it says."""
        with self.page.expect_navigation():
            self.page.locator("main").get_by_text(text, exact=True).first.click()
        return self.page

    @property
    def text(self) -> str:
        return self.page.inner_text("main")
