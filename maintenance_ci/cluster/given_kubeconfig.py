"""The KUBECONFIG that a team gives: read once, as kubectl reads it, and reduced to what one context names.

What clients read differently is settled here, so that they all get the same: of several files the first that has a name
counts, and a path belongs to the folder of its file (client-go's ``clientcmd``; compared with the real kubectl).
``~/.kube/config`` and a Pod's own service account are never looked for.
"""

from __future__ import annotations

import base64
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maintenance_ci.cluster import login_program
from maintenance_ci.errors import VariableError
from maintenance_ci.kubernetes_yaml.reader import NotYamlError, decode, read_documents
from maintenance_ci.settings.addresses import read_server_address
from maintenance_ci.settings.credentials import (
    MAX_CERTIFICATES,
    MAX_TOKEN,
    TOKEN,
    certificates_of,
    decoded,
    read_file,
)
from maintenance_ci.settings.proxies import MIN_PASSWORD, Proxy, parse_proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, Any]

# The lists of a kubeconfig, and what an entry of each holds.
LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}
# What of a user all clients take alike. Another identity (as) would be Helm's and oc's alone, and of a plugin
# (auth-provider) each client knows others.
USER = {"token", "tokenFile", "username", "password", "exec", "extensions"} | {
    f"client-{what}{where}" for what in ("certificate", "key") for where in ("", "-data")
}
# Seconds for a program to log in: it may wait for somebody.
LOGIN_TIMEOUT = 60
# How many contexts a message names.
MOST_NAMES = 20


@dataclass(frozen=True)
class Login:
    """One cluster and one user of a kubeconfig, with all paths absolute.

    Attributes:
        cluster: as a kubeconfig has it, but for the proxy.
        user: as a kubeconfig has it. A program that logs in has the job's environment written into it, since Helm and
            oc, which run it as well, do not get that.
        proxy: what the cluster's ``proxy-url`` names.
        secrets: what no log may show of it.
    """

    cluster: Object
    user: Object
    proxy: Proxy | None
    secrets: list[str]


def read_login(paths: str, context: str, environment: Mapping[str, str]) -> Login:
    """Return what a context of KUBECONFIG names.

    Args:
        paths: one file, or several, separated as in KUBECONFIG; those that are missing are skipped.
        context: its name; the current context where empty.
        environment: of a program that the kubeconfig names for logging in.

    Raises:
        VariableError: there is no such context, or what it names cannot be used.
    """
    try:
        # Not Path.exists, which raises for a name that is too long.
        files = [Path(path) for path in paths.split(os.pathsep) if path and os.path.exists(path)]  # noqa: PTH110
        config = _merged([_read(file) for file in files])
        chosen = _choose(config, context)
        folder, cluster = _entry(config, "clusters", _text(chosen, "cluster"))
        user_name = _text(chosen, "user")
        user_folder, user = _entry(config, "users", user_name) if user_name else (folder, {})
        proxy_url = _text(cluster, "proxy-url")
        proxy = parse_proxy(proxy_url, "KUBECONFIG: proxy-url") if proxy_url else None
        cluster, user = _cluster(cluster, folder), _user(user, user_folder, environment)
        _require_private(cluster, user)
        secrets = [_text(user, "token"), _text(user, "password"), *(proxy.secrets if proxy else [])]
    except ValueError as error:
        raise VariableError([f"KUBECONFIG: {error}"]) from None
    return Login(cluster, user, proxy, [secret for secret in secrets if len(secret) >= MIN_PASSWORD])


def _read(path: Path) -> Object:
    """Return a file's lists as entries by name, each with the folder of the file."""
    try:
        documents = read_documents(decode(read_file(str(path), MAX_CERTIFICATES)))
    except NotYamlError as error:
        raise ValueError(f"is no kubeconfig: {path}, line {error.line}, column {error.column}") from None
    except ValueError as error:
        raise ValueError(f"{error}: {path}") from None
    config = documents[0].value if documents else {}  # kubectl reads the first, and takes an empty file
    if not isinstance(config, dict):
        raise ValueError(f"is no kubeconfig: {path}")  # noqa: TRY004 - as all faults of a variable
    merged: Object = {"current-context": _text(config, "current-context")}
    for name, kind in LISTS.items():
        entries: Object = {}
        for entry in _list(config, name):
            content = entry.get(kind) or {} if isinstance(entry, dict) else None
            if not isinstance(content, dict):
                raise ValueError(f"has an entry of {name} that is none: {path}")  # noqa: TRY004 - as above
            if (key := _text(entry, "name")) in entries:
                raise ValueError(f"has two {name} of one name: {path}")
            entries[key] = (path.absolute().parent, content)  # one without a name does no harm, as with kubectl
        merged[name] = entries
    return merged


def _merged(files: list[Object]) -> Object:
    """Return one of all: an entry, and the current context, are the first file's that has them."""
    current = next((file["current-context"] for file in files if file["current-context"]), "")
    lists = {name: {key: entry for file in reversed(files) for key, entry in file[name].items()} for name in LISTS}
    return {"current-context": current, **lists}


def _choose(config: Object, context: str) -> Object:
    name = context or config["current-context"]
    if name and name in config["contexts"]:
        chosen: Object = config["contexts"][name][1]
        return chosen
    names = list(filter(None, config["contexts"]))
    listed = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    contexts = f"its contexts: {listed}" if names else "it has no context at all"
    current = "names a current context that it has not" if name else "has no current context"
    fault = "is no context of KUBECONFIG" if context else f"is missing, and KUBECONFIG {current}"
    raise VariableError([f"KUBE_CONTEXT: {fault}; {contexts}"])


def _entry(config: Object, kind: str, name: str) -> tuple[Path, Object]:
    if name not in config[kind]:
        raise ValueError(f"has no entry of {kind} that its context names")
    folder, entry = config[kind][name]
    # To kubectl null is an absent field; not to the client.
    return folder, {field: value for field, value in entry.items() if value is not None}


def _cluster(cluster: Object, folder: Path) -> Object:
    cluster.pop("proxy-url", None)
    # A message shows the address, and where it cannot be reached a user's password with it.
    server = _text(cluster, "server")
    address = None if re.search(r"\s", server) else read_server_address(server, "https", "http")
    if address is None:
        raise ValueError("has a server that is no https:// address without user, query or fragment")
    cluster["server"] = address
    _text(cluster, "tls-server-name")
    data, path = _text(cluster, "certificate-authority-data"), _text(cluster, "certificate-authority")
    insecure = cluster.get("insecure-skip-tls-verify") or False
    if not isinstance(insecure, bool):
        raise ValueError("has an insecure-skip-tls-verify that is neither true nor false")  # noqa: TRY004
    if insecure and (data or path):
        raise ValueError("has a certificate-authority beside insecure-skip-tls-verify: remove one of them")
    cluster.pop("certificate-authority", None)
    if data or path:
        try:
            content = _decoded_data(data) if data else read_file(str(folder / path), MAX_CERTIFICATES)
            text = certificates_of(decoded(content))
        except ValueError as error:
            raise ValueError(f"has a certificate-authority{'-data' if data else ''} that {error}") from None
        cluster["certificate-authority-data"] = base64.b64encode(text.encode()).decode()
    return cluster


def _require_private(cluster: Object, user: Object) -> None:
    """Refuse a login that everybody on the way could read: the Python client would send it; kubectl does not."""
    if cluster["server"].startswith("http://") and user.keys() - {"extensions"}:
        raise ValueError("has a server at http://, and a user: everybody on the way could read how it logs in")


def _decoded_data(data: str) -> bytes:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except ValueError:
        raise ValueError("is no base64") from None


def _user(user: Object, folder: Path, environment: Mapping[str, str]) -> Object:
    if unknown := sorted(field for field, value in user.items() if value and field not in USER):
        raise ValueError(f"has a user with {', '.join(unknown)}, which not all clients know: give a token, or exec")
    for field in ("client-certificate", "client-key"):
        if path := _text(user, field):
            user[field] = str(folder / path)
            try:
                read_file(user[field], MAX_CERTIFICATES)
            except ValueError as error:
                raise ValueError(f"has a {field} that {error}") from None
    if path := _text(user, "tokenFile"):  # which goes before a token, as in client-go
        try:
            user["token"] = read_file(str(folder / path), MAX_TOKEN).decode("latin-1").strip()
        except ValueError as error:
            raise ValueError(f"has a tokenFile that {error}") from None
        del user["tokenFile"]
        if not user["token"]:
            raise ValueError("has a tokenFile that is empty")
    if (token := _text(user, "token")) and not TOKEN.fullmatch(token):
        raise ValueError("has a token that is none: one line without spaces is expected")
    if program := user.get("exec"):
        user["exec"] = _program(program, folder, environment)
    return user


def _program(program: Any, folder: Path, environment: Mapping[str, str]) -> Object:
    """Return what logs in, run by `login_program`; its environment is the job's, and its own variables before that."""
    command = _text(program, "command") if isinstance(program, dict) else ""
    own, arguments = (_list(program, "env"), _list(program, "args")) if command else ([], [None])
    named = all(isinstance(one, dict) and _text(one, "name") for one in own)
    if not named or not all(isinstance(argument, str) for argument in arguments):
        raise ValueError("has a program to log in (exec) that is none")
    path = str(folder / command) if os.sep in command else command
    # A variable of bytes that are no text cannot stand in a kubeconfig.
    given = {name: value for name, value in environment.items() if _is_text(name + value)}
    variables = {**given, **{one["name"]: _text(one, "value") for one in own}}
    return {
        **program,
        "command": sys.executable,
        "args": ["-I", "-S", login_program.__file__, str(LOGIN_TIMEOUT), path, *arguments],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }


def _is_text(value: str) -> bool:
    """Tell whether it can be written in UTF-8: Python has a surrogate for each byte that could not be read."""
    return not re.search("[\ud800-\udfff]", value)


def _list(mapping: Mapping[str, Any], field: str) -> list[Any]:
    value = mapping.get(field) or []
    if not isinstance(value, list):
        raise ValueError(f"has {field} that are no list")  # noqa: TRY004 - as below
    return value


def _text(mapping: Mapping[str, Any], field: str) -> str:
    """Return a field's text; empty where there is none, as for kubectl."""
    value = mapping.get(field)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"has a {field} that is no text")
    return value or ""
