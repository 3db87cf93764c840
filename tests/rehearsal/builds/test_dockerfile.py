from __future__ import annotations

import pytest

from maintenance_ci.rehearsal.builds.dockerfile import DockerfileError, Instruction, Stage, expand, parse

DIRECTORIES = ("/", "/etc/nginx/conf.d", "/usr/share/nginx/html")


def followed(text: str, *upload: str, **arguments: str) -> Stage:
    stage = Stage(upload, arguments, DIRECTORIES)
    for instruction in parse(text):
        stage.apply(instruction)
    return stage


def test_comments_and_continuation_lines() -> None:
    text = "# a page\nfrom nginx\n\nCOPY a \\\n  # in between\n  b /srv/\nLABEL x=1 \\\n"
    assert parse(text) == [
        Instruction("FROM", "nginx"),
        Instruction("COPY", "a b /srv/"),
        Instruction("LABEL", "x=1"),
    ]


def test_files_are_copied_by_name_into_a_folder_and_as_a_whole_folder() -> None:
    stage = followed(
        "FROM nginx\nCOPY default.conf /etc/nginx/conf.d/\nCOPY index.html /usr/share/nginx/html\n"
        'COPY ["img", "/usr/share/nginx/html/img"]\nADD --chown=1001 index.html /srv/start.html\n',
        "default.conf", "index.html", "img/a.png", "img/deep/b.png",
    )  # fmt: skip
    assert stage.base == "nginx"
    assert stage.files == {
        "/etc/nginx/conf.d/default.conf": "default.conf",
        "/usr/share/nginx/html/index.html": "index.html",
        "/usr/share/nginx/html/img/a.png": "img/a.png",
        "/usr/share/nginx/html/img/deep/b.png": "img/deep/b.png",
        "/srv/start.html": "index.html",
    }


def test_wildcards_stay_in_their_folder() -> None:
    stage = followed("FROM nginx\nCOPY *.html /srv/\n", "a.html", "b.html", "deep/c.html", "d.css")
    assert sorted(stage.files) == ["/srv/a.html", "/srv/b.html"]


def test_whole_upload_is_copied_relative_to_the_working_directory() -> None:
    stage = followed("FROM nginx\nWORKDIR /usr/share/nginx\nCOPY . html\n", "index.html", "css/a.css")
    assert sorted(stage.files) == ["/usr/share/nginx/html/css/a.css", "/usr/share/nginx/html/index.html"]


def test_arguments_and_environment_are_put_in() -> None:
    text = (
        "ARG VERSION=1.20\nARG FLAVOUR\nFROM nginx:$VERSION\nARG VERSION\nARG PAGE=index\nENV ROOT=/srv TITLE='A B'\n"
        "COPY ${PAGE}.html $ROOT/${MISSING:-page}.html\nENV OLD the rest\n"
    )
    stage = followed(text, "index.html", "other.html", PAGE="other")
    assert stage.base == "nginx:1.20"
    assert stage.files == {"/srv/page.html": "other.html"}
    assert stage.environment == {"ROOT": "/srv", "TITLE": "A B", "OLD": "the rest"}


def test_build_argument_overrides_the_base() -> None:
    assert followed("ARG BASE=nginx\nFROM ${BASE} AS page\n", BASE="registry.example.test/nginx:2").base == (
        "registry.example.test/nginx:2"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "a"),
        ("${A}b", "ab"),
        (r"\$A", "$A"),
        ("${B:-c}", "c"),
        ("${A:+d}", "d"),
        ("${B:+d}", ""),
        ("$B", ""),
        ("1$", "1$"),
    ],
)
def test_expand(text: str, value: str) -> None:
    assert expand(text, {"A": "a"}) == value


def test_instructions_without_effect_are_accepted() -> None:
    inert = 'EXPOSE 8080\nUSER 101\nLABEL a=b\nCMD ["nginx"]\nHEALTHCHECK NONE\nSTOPSIGNAL SIGQUIT\n'
    assert followed(f"FROM nginx\n{inert}").files == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("COPY a /a", "no FROM before it"),
        ("FROM", "FROM requires"),
        ("FROM a\nFROM b", "several stages"),
        ("FROM a\nCOPPY a /a", 'building at STEP "COPPY a /a": Build error: Unknown instruction: "COPPY"'),
        ("FROM a\nRUN rm -rf /", "RUN is not rehearsed"),
        ("FROM a\nCOPY only", "at least two arguments"),
        ("FROM a\nCOPY here there /srv", "does not end with a slash"),
        ("FROM a\nCOPY --from=build a /a", "--from"),
        ("FROM a\nADD https://www.example.test/a /a", "ADD of"),
        ("FROM a\nENV A='open", "No closing quotation"),
        (
            "FROM a\nCOPY nope.html /a",
            'checking on sources under "/tmp/build/inputs": copier: stat: "/nope.html": no such file or directory',
        ),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        followed(text, "here", "there")
    assert message in str(caught.value)


def test_sources_cannot_leave_the_upload() -> None:
    with pytest.raises(DockerfileError, match='stat: "/etc/passwd": no such file'):
        followed("FROM nginx\nCOPY ../../etc/passwd /srv/", "index.html")
