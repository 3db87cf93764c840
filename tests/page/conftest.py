from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tools.served_page import Page, made_page, served_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[bytes], Page]]:
    """Build an upload as the cluster does, and serve the image on an address of its own."""
    with served_pages(tmp_path_factory.mktemp("pages")) as start:
        yield start


@pytest.fixture(scope="module")
def page(serve: Callable[[bytes], Page]) -> Page:
    return serve(made_page())
