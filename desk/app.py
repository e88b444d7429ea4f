"""The desk: pages for stewards and the API for other systems, one process over one workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from desk.api import administering, crosswalk, document, feed, golden, search
from desk.api.asking import Unchanged
from desk.pages import session
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
    app.state.templates = Jinja2Templates(directory=HERE / "templates")
    handle_problems(app)
    app.add_middleware(Guard, settings=settings)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for part in (session, golden, crosswalk, search, feed, administering, document):
        app.include_router(part.router)
    app.add_exception_handler(Unchanged, _unchanged)
    return app


def _unchanged(_: Request, error: Exception) -> Response:
    return Response(status_code=304, headers=error.headers if isinstance(error, Unchanged) else None)
