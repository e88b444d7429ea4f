"""The desk and the API: serve them, and say who may ask.

The desk's packages are an extra; they are imported when a command needs them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from commands.printing import as_cell, err, print_json, print_table, say
from commands.shared import HERE, AsJson, Place
from linkage.audit_trail import AuditTrail
from linkage.workspace import Workspace
from rules.errors import InputError, Problem, RulesError

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8765,
    workspace: Place = HERE,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name that browsers use; may be repeated.")] = None,
    trust_proxy: Annotated[
        list[str] | None, typer.Option(help="An address whose headers say who asks; may be repeated.")
    ] = None,
    https: Annotated[bool, typer.Option(help="Browsers come through https only.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, help="Requests per second of one identity.")] = 100.0,
) -> None:
    """Serve the stewards' desk and the read API until interrupted."""
    with _extra():
        import uvicorn

        from desk.app import create_app
        from desk.settings import Settings
    ws = Workspace.open(workspace)
    names = (f"{host}:{port}", f"127.0.0.1:{port}", f"localhost:{port}", *(allow_host or ()))
    settings = Settings(
        hosts=names, proxies=frozenset(trust_proxy or ()), secure=https, rate=rate, burst=max(1, int(2 * rate))
    )
    application = create_app(ws, settings)
    application.state.desk.begin_matching()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    err.print(f"the desk is at http://{host}:{port}; 'shuyuan token --role steward' makes a token to sign in with")
    uvicorn.run(application, host=host, port=port, access_log=False, log_level="warning", server_header=False)


@app.command()
def token(
    role: Annotated[list[str] | None, typer.Option(help="A role; may be repeated.")] = None,
    name: Annotated[str, typer.Option(help="Whose it is; decisions and the audit trail name it.")] = "",
    entity: Annotated[list[str] | None, typer.Option(help="Only this entity type; may be repeated.")] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="Only division codes that begin so; may be repeated.")
    ] = None,
    attribute: Annotated[list[str] | None, typer.Option(help="Only this field; may be repeated.")] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="see_clear or export beside the role; may be repeated.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it holds.")] = 30,
    end: Annotated[str | None, typer.Option(metavar="ID", help="End a token instead.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List tokens instead.")] = False,
    workspace: Place = HERE,
    as_json: AsJson = False,
) -> None:
    """Make a token for the desk and the API; it is shown once, and only its hash is kept."""
    with _extra():
        from desk.access import Grant
        from desk.tokens import TokenStore
    ws = Workspace.open(workspace)
    store, trail = TokenStore(ws), AuditTrail(ws.decisions)
    if list_:
        return _list(store, as_json)
    if end is not None:
        ended = store.end(end)
        trail.append("end token", {"token": ended.id, "name": ended.name})
        return say(
            as_json, {"token_id": ended.id, "name": ended.name}, [f"token {ended.id} of {ended.name} has ended."]
        )
    roles: Any = frozenset(role or ())
    extra: Any = frozenset(allow or ())
    grant = Grant(roles, extra, _set(entity), tuple(region) if region else None, _set(attribute))
    _check_names(ws, entity or (), attribute or ())
    secret, made = store.make(name.strip() or "-".join(sorted(roles)), grant, days)
    detail = made.model_dump(mode="json", exclude={"sha256"}, exclude_none=True)
    trail.append("make token", detail)
    err.print("note: it is shown this once; send it as 'Authorization: Bearer …' or sign in with it at /login")
    say(as_json, detail | {"token": secret}, [secret])


def _list(store: Any, as_json: bool) -> None:
    told = [one.model_dump(mode="json", exclude={"sha256"}) for one in store.all()]
    if as_json:
        return print_json(told)
    names = ("id", "name", "roles", "extra", "entities", "regions", "attributes", "made_at", "ends_at")
    print_table("tokens", names, [[as_cell(one[name]) for name in names] for one in told])


def _check_names(ws: Workspace, entities: Any, attributes: Any) -> None:
    """InputError where a limit names what the rules lack: it would grant nothing, silently."""
    rules = ws.load_rules()
    fields = {name for one in rules.entities.values() for name in one.entity.fields}
    for what, asked, known in (("entity type", entities, set(rules.entities)), ("field", attributes, fields)):
        for one in asked:
            if one not in known:
                raise InputError(f"no {what} {one!r}; the rules have {', '.join(sorted(known))}")


def _set(given: list[str] | None) -> frozenset[str] | None:
    return frozenset(given) if given else None


@contextmanager
def _extra() -> Iterator[None]:
    """Say how to install the desk where it is not."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise RulesError(
            [Problem("shuyuan", "", f"the desk needs {error.name}: pip install 'shuyuan[desk]'")]
        ) from None
