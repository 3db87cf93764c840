"""Takes the documents' pictures of the page, in all languages or some: python -m tests.tools.page_pictures docs/page de

Chromium is needed. A test sees to it that there is one of each.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests.tools.browser import Watched, browser, chromium
from tests.tools.page_site import site_of
from tests.tools.served_page import made_page, served_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

LANGUAGES = ("en", "fr", "de", "it", "es")
SCHEMES = ("light", "dark")
WIDTHS = {"phone": (390, 760), "tablet": (820, 900), "desktop": (1280, 760)}
END = "2026-11-30T06:00:00+01:00 Mon, 30 Nov 2026 05:00:00 GMT"
NOW = "2026-11-29T22:10:00+01:00"
CONTACT = "+41 00 000 00 00|https://status.example.test/"
HEADERS = {"X-Maintenance-End": END, "X-Maintenance-Texts": f"||{CONTACT}"}
# Of the pictures' own; a lossy one would blur the letters.
SETTINGS = {"format": "WEBP", "lossless": True, "quality": 100, "method": 6}


def name_of(language: str, scheme: str, width: str) -> str:
    return f"{language}-{scheme}-{width}.webp"


def main(folder: Path, languages: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, served_pages(Path(place)) as serve:
        page = serve(made_page(signature=""))
        with site_of(page.address) as site, browser(chromium()) as chrome:
            site.headers = HEADERS
            for language in languages:
                for scheme in SCHEMES:
                    for width, (wide, high) in WIDTHS.items():
                        size = {"width": wide, "height": high}
                        seen = Watched(
                            chrome, locale=language, color_scheme=scheme, viewport=size, timezone_id="Europe/Zurich"
                        )
                        seen.page.clock.set_fixed_time(NOW)
                        seen.page.goto(site.url)
                        picture = Image.open(io.BytesIO(seen.page.screenshot())).convert("RGB").quantize(64)
                        picture.convert("RGB").save(folder / name_of(language, scheme, width), **SETTINGS)
                        seen.context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or LANGUAGES)
