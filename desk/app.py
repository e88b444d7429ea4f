"""The desk: pages for stewards and the API for other systems, one process over one workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.staticfiles import StaticFiles

from desk.api import administering, crosswalk, document, feed, golden, search
from desk.api.asking import Unchanged
from desk.pages import (
    audit,
    explain,
    plan,
    quality,
    queue,
    review,
    second,
    session,
    tickets,
)
from desk.pages import (
    golden as golden_page,
)
from desk.pages import (
    search as search_page,
)
from desk.pages.rendering import make_templates
from desk.problems import handle_problems
from desk.security import Guard
from desk.settings import Settings
from desk.state import Desk
from desk.webhooks import Deliverer
from golden_records.manifest import software_version
from linkage.workspace import Workspace

HERE = Path(__file__).parent


def create_app(workspace: Workspace, settings: Settings | None = None) -> FastAPI:
    """The application over a workspace.

    Raises:
        RulesError: the rules of the workspace cannot be used.
    """
    settings = settings or Settings()
    desk = Desk(workspace, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        deliverer = Deliverer(desk, settings.deliver_every)
        if settings.deliver_every:
            deliverer.start()
        yield
        deliverer.stop()
        desk.close()

    app = FastAPI(
        title="Shuyuan",
        version=software_version(),
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        max_body_size=settings.most_bytes,
    )
    app.state.desk = desk
    app.state.templates = make_templates()
    handle_problems(app)
    app.add_middleware(Guard, settings=settings)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for part in (golden, crosswalk, search, feed, administering, document):
        app.include_router(part.router)
    for page in (session, queue, review, second, golden_page, explain, search_page, tickets, quality, plan, audit):
        app.include_router(page.router)
    app.add_exception_handler(Unchanged, _unchanged)
    return app


def _unchanged(_: Request, error: Exception) -> Response:
    return Response(status_code=304, headers=error.headers if isinstance(error, Unchanged) else None)
