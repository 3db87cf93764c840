"""What must be right with several variables together: rules that no single variable's type can hold. Pure.

Each rule takes the variables that are given (one that is blank is absent), and yields the faults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.settings import types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def cluster(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that the cluster cannot be reached with what is given."""
    if "OKD_URL" not in given and "KUBECONFIG" not in given:
        yield "OKD_URL: is missing; give OKD_URL and OKD_TOKEN, or a KUBECONFIG"
    elif "OKD_URL" not in given and "OKD_TOKEN" in given:  # a protected variable, on a branch that is not
        yield "OKD_URL: is missing; OKD_TOKEN is its token. To use KUBECONFIG, give no OKD_TOKEN"
    if "OKD_URL" in given and "OKD_TOKEN" not in given:
        yield "OKD_TOKEN: is missing; OKD_URL needs a token"
    if "KUBE_CONTEXT" in given and "KUBECONFIG" not in given:
        yield "KUBE_CONTEXT: is a context of KUBECONFIG, which is missing"


def templates(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that the Routes' templates cannot be found with what is given."""
    if "ROUTE_TEMPLATES_PROJECT" not in given:
        yield "ROUTE_TEMPLATES_PROJECT: is missing; it is the GitLab project of the Route's template"
    if "CI_SERVER_URL" not in given:
        yield "CI_SERVER_URL: is missing; outside of a GitLab job, give your GitLab's address"


def token_to_read(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that no token is given with which GitLab's files may be read."""
    if "ROUTE_TEMPLATES_TOKEN" not in given and "CI_JOB_TOKEN" not in given:
        yield "ROUTE_TEMPLATES_TOKEN: is missing, and there is no CI_JOB_TOKEN to fall back on"


def token_to_write(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that no token is given with which files may be written to GitLab."""
    if "ROUTE_TEMPLATES_TOKEN" not in given:  # GitLab's job tokens write no files
        yield "ROUTE_TEMPLATES_TOKEN: is missing; to write takes an access token with the scope api"


def template_of_whole_route(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that the template cannot be read that a whole Route needs."""
    if "SUBPATH" not in given:  # a part of the site restores nothing
        yield from (*templates(given), *token_to_read(given))


def template_project_if_given(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that the template project cannot be asked, where one is named."""
    if "ROUTE_TEMPLATES_PROJECT" in given:
        yield from (*templates(given), *token_to_read(given))


def names_in_gitlab(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that the names are too long for a pipeline or an environment of GitLab, where each alone is good.

    The pipeline's rules hold the same lengths, and make the job ``plan`` alone, which says this.
    """
    if "MAINTENANCE" in given or not types.is_true(given.get("GITLAB_CI", "")):
        return
    routes, subpaths = given.get("ROUTE_NAME", ""), given.get("SUBPATH", "")
    longest = types.MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB if subpaths else types.MAX_ROUTE_AND_SUBPATH_IN_GITLAB
    fits = len(routes) <= longest and len(subpaths) <= types.MAX_SUBPATH_IN_GITLAB
    good = _each_fits(routes, types.MAX_ROUTE_NAME) and _each_fits(subpaths, types.MAX_SUBPATH)
    if not fits and good:
        yield (
            "ROUTE_NAME and SUBPATH: are too long for the name of an environment of GitLab, where SUBPATH may have "
            f"{types.MAX_SUBPATH_IN_GITLAB} characters, and ROUTE_NAME {types.MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB}, or "
            f"{types.MAX_ROUTE_AND_SUBPATH_IN_GITLAB} without a SUBPATH; give the maintenance a name: MAINTENANCE"
        )


def some_selection(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that no Route is named. Nothing given never means all."""
    if not given.keys() & {"ROUTE_NAME", "ROUTE_SELECTOR"}:
        yield "ROUTE_NAME: is missing; give one name or several, or a ROUTE_SELECTOR"


def one_selection(given: Mapping[str, str]) -> Iterator[str]:
    """Tell that Routes are named in two ways, or that nothing names the maintenance of those of a selector."""
    if {"ROUTE_NAME", "ROUTE_SELECTOR"} <= given.keys():
        yield "ROUTE_SELECTOR: is given beside ROUTE_NAME; give one of the two, and leave the other one empty"
    # In a terminal, too: what ends a maintenance there takes the variables that began it in GitLab.
    elif "ROUTE_SELECTOR" in given and "MAINTENANCE" not in given:
        yield "MAINTENANCE: is missing; with a ROUTE_SELECTOR it names the maintenance, and its environment in GitLab"


def _each_fits(items: str, longest: int) -> bool:
    return all(len(item) <= longest for item in items.split())
