"""`varve users create | list | regenerate-key | deactivate | activate` and `varve tenants`: who may ask, and as whom.

Before: whoever has the server's secret: its data directory's owner, or VARVE_ACCESS__SECRET. After: the running server; where none
runs, the log of the data directory (cli_users_log.py). A key is shown once, when it is made.
"""

from typing import Annotated, Any

import typer

from varve.cli_options import DataOption, read_settings, say
from varve.errors import Incorrect
from varve.own_key import own_key
from varve.running import found_running
from varve.settings import Settings

users = typer.Typer(no_args_is_help=True, help="Who may ask this server, with which key: make users, and take them back.")
tenants = typer.Typer(no_args_is_help=True, help="Tenants and their names.")
EmailOption = Annotated[str, typer.Option(help="whose")]
UrlOption = Annotated[str | None, typer.Option(help="the server; the one that runs on the data directory, else its log, where absent")]


@users.command()
def create(
    email: EmailOption,
    role: Annotated[str, typer.Option(help="read, write or admin")] = "write",
    tenant: Annotated[str | None, typer.Option(help="UUID or name; the zero UUID, which data without access have, where absent")] = None,
    password: Annotated[str | None, typer.Option(help="for sessions and log-in pages; - asks for it")] = None,
    data: DataOption = None,
    url: UrlOption = None,
) -> None:
    """Make a user, and show the key: this once."""
    secret: str | None = typer.prompt("password", hide_input=True, confirmation_prompt=True) if password == "-" else password
    body = {"email": email, "role": role, "tenant": tenant, "password": secret}
    made = _Server(data, url).ask("POST", "/api/v1/users", {name: given for name, given in body.items() if given is not None})
    say(f"user    {made['email']}, {made['role']} in tenant {made['tenant']}\nkey     {made['key']}\nIt is not shown again.")


@users.command("list")
def list_(data: DataOption = None, url: UrlOption = None) -> None:
    """All users: e-mail, role, tenant, and whether they are active."""
    found = _Server(data, url).ask("GET", "/api/v1/users")["users"]
    for one in found:
        marks = "" if one["active"] else "  inactive"
        marks += "" if one["key"] else "  no key"
        say(f"{one['email']}  {one['role']}  {one['tenant']}{' ' + one['tenant_name'] if one['tenant_name'] else ''}{marks}")
    if not found:
        say("no users")


@users.command("regenerate-key")
def regenerate_key(email: EmailOption, data: DataOption = None, url: UrlOption = None) -> None:
    """Another key instead of the one before; sessions and tokens end with that."""
    made = _Server(data, url).ask("POST", f"/api/v1/users/{_in_path(email)}/key")
    say(f"user    {made['email']}\nkey     {made['key']}\nIt is not shown again; the one before is refused.")


@users.command()
def deactivate(email: EmailOption, data: DataOption = None, url: UrlOption = None) -> None:
    """Refuse the user's key, password, sessions and tokens."""
    _Server(data, url).ask("POST", f"/api/v1/users/{_in_path(email)}/deactivate")
    say(f"{_in_path(email)} is inactive: every server refuses the key within seconds")


@users.command()
def activate(email: EmailOption, data: DataOption = None, url: UrlOption = None) -> None:
    """Believe the user again, by the key and password of before."""
    _Server(data, url).ask("POST", f"/api/v1/users/{_in_path(email)}/activate")
    say(f"{_in_path(email)} is active")


@users.command("set-password")
def set_password(email: EmailOption, data: DataOption = None, url: UrlOption = None) -> None:
    """Another password, asked for here; sessions and tokens made before end."""
    secret = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    _Server(data, url).ask("POST", f"/api/v1/users/{_in_path(email)}/password", {"password": secret})
    say(f"{_in_path(email)} has another password")


@tenants.command("create")
def create_tenant(name: str, data: DataOption = None, url: UrlOption = None) -> None:
    """Give a tenant a name; its UUID is made of that."""
    made = _Server(data, url).ask("POST", "/api/v1/tenants", {"name": name})
    say(f"{made['tenant']}  {made['name']}")


@tenants.command("list")
def list_tenants(data: DataOption = None, url: UrlOption = None) -> None:
    """Tenants that have a name, or users."""
    for one in _Server(data, url).ask("GET", "/api/v1/tenants")["tenants"]:
        say(f"{one['tenant']}  {one['name']}".rstrip())


def _in_path(email: str) -> str:
    from varve.access import email_of  # with what events need, which `varve --help` does not

    return email_of(email)


class _Server:
    """Whoever answers: a server, or the log itself in the same words."""

    def __init__(self, data: Any, url: str | None) -> None:
        self._settings: Settings = read_settings(data)
        note = found_running(self._settings.data)
        self._url = url or (None if note is None else note.url)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if self._url is None:
            from varve.cli_users_log import answered_by_log

            return answered_by_log(self._settings, method, path, body or {})
        from varve.client_http import line_to

        key = own_key(self._settings, self._url)
        if key is None:  # what this data directory's secret signs is for its own server alone
            words = f"{self._url} is not the server of {self._settings.data}: set VARVE_ACCESS__SECRET to that server's"
            raise Incorrect("secret-unknown", f"{words}, or VARVE_ACCESS__KEY to the key of an admin there")
        with line_to(self._url, key=key) as line:
            return line.get(path) if method == "GET" else line.write(method, path, body)
