from __future__ import annotations

from pathlib import Path

import pytest

from maintenance_ci.rehearsal.pods.nginx_config import Rewriter

REWRITER = Rewriter(Path("/c"), "127.1.2.3", Path("/out.log"))


@pytest.mark.parametrize(
    ("line", "rewritten"),
    [
        ("listen 8080;", 'listen "127.1.2.3:8080";'),
        ("listen *:8080 default_server;", 'listen "127.1.2.3:8080" default_server;'),
        ("listen 0.0.0.0:8443 ssl;", 'listen "127.1.2.3:8443" ssl;'),
        ("listen 0.0.0.0;", 'listen "127.1.2.3:80";'),
        ("listen unix:/run/a.sock;", 'listen "unix:/c/run/a.sock";'),
    ],
)
def test_listen_leads_to_the_pods_address(line: str, rewritten: str) -> None:
    assert REWRITER.rewrite(f"server {{ {line} }}") == f"server {{ {rewritten} }}"


@pytest.mark.parametrize(
    "where", ["[::]:8080", "[::]:8080 ipv6only=on", "127.0.0.1:8080", "localhost:9", "192.0.2.1:80"]
)
def test_what_the_pods_address_cannot_reach_is_not_listened_on(where: str) -> None:
    both = REWRITER.rewrite(f"server {{ listen 8080; listen {where}; }}")
    assert both == 'server { listen "127.1.2.3:8080";  }'
    alone = REWRITER.rewrite(f"server {{ listen {where}; }}")
    assert alone == 'server { listen "unix:/c/run/nowhere.sock";  }'


def test_server_without_listen_gets_the_default_of_an_unprivileged_nginx() -> None:
    assert REWRITER.rewrite("server { return 204; }") == 'server { listen "127.1.2.3:8000"; return 204; }'


@pytest.mark.parametrize(
    ("line", "rewritten"),
    [
        ("root /usr/share/nginx/html;", 'root "/c/usr/share/nginx/html";'),
        ("alias '/srv/a b/';", 'alias "/c/srv/a b/";'),
        ("root /../../etc;", 'root "/c/etc";'),
        ("root html;", "root html;"),
        ("include /etc/nginx/conf.d/*.conf;", 'include "/c/etc/nginx/conf.d/*.conf";'),
        ("pid /tmp/nginx.pid;", 'pid "/c/tmp/nginx.pid";'),
        ("access_log /dev/stdout main;", 'access_log "/out.log" main;'),
        ("error_log /var/log/nginx/error.log notice;", 'error_log "/out.log" notice;'),
        ("access_log off;", "access_log off;"),
        ("worker_processes auto;", 'worker_processes "1";'),
        ("user nginx;", ""),
        ("daemon on;", ""),
        ("location /tmp { try_files $uri /index.html; }", "location /tmp { try_files $uri /index.html; }"),
        ("error_page 404 /404.html;", "error_page 404 /404.html;"),
        ("map $a ${b} { user 1; listen 2; }", "map $a ${b} { user 1; listen 2; }"),
        ("types { include /x; text/html html; }", 'types { include "/c/x"; text/html html; }'),
        ('return 200 "a; } { # listen 80;";', 'return 200 "a; } { # listen 80;";'),
        ("# listen 80; {", "# listen 80; {"),
        (r"location ~ \.php$ { deny all; }", r"location ~ \.php$ { deny all; }"),
    ],
)
def test_paths_and_what_belongs_to_a_container_alone(line: str, rewritten: str) -> None:
    assert REWRITER.rewrite(line) == rewritten


@pytest.mark.parametrize("text", ["server {", "}", "listen 80", ";", 'root "/srv;', "server { listen 80; }}"])
def test_what_nginx_will_refuse_is_left_for_it_to_refuse(text: str) -> None:
    assert REWRITER.rewrite(text) == text


def test_lines_keep_their_numbers() -> None:
    text = "user nginx;\nserver {\n  listen 80;\n  listen [::]:80;\n  bogus;\n}\n"
    assert REWRITER.rewrite(text).splitlines().index("  bogus;") == text.splitlines().index("  bogus;")
