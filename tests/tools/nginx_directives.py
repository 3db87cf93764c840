"""Which directives a configuration uses, and which every nginx knows that is built without options."""

from __future__ import annotations

from maintenance_ci.rehearsal.pods.nginx_config import TABLES, _tokens

# By module, of those that nginx builds unless it is told not to (nginx.org/en/docs, "Modules reference"); of each, the
# directives that a page may need.
BUILT_IN = frozenset(
    " ".join(
        (
            # Core functionality
            "worker_processes pcre_jit pid error_log events worker_connections include",
            # ngx_http_core_module
            "http server listen server_name root location default_type server_tokens variables_hash_max_size",
            "variables_hash_bucket_size client_body_temp_path client_header_buffer_size large_client_header_buffers",
            "output_buffers client_max_body_size client_header_timeout client_body_timeout send_timeout etag",
            "if_modified_since max_ranges lingering_close recursive_error_pages error_page",
            "try_files keepalive_timeout request_pool_size",
            # ngx_http_charset_module, _log, _map, _geo, _headers, _rewrite, _ssi
            "charset log_format access_log map geo add_header rewrite return ssi",
            # ngx_http_proxy_module, _fastcgi, _uwsgi, _scgi
            "proxy_temp_path fastcgi_temp_path uwsgi_temp_path scgi_temp_path",
        )
    ).split()
)


def directives(text: str) -> set[str]:
    """Return the names of all directives; what stands in a table, as in a ``map``, is none."""
    found: set[str] = set()
    blocks: list[str] = []
    words: list[str] = []
    for token in _tokens(text):
        if token.text not in (";", "{", "}"):
            words.append(token.text)
            continue
        if words and not (blocks and blocks[-1] in TABLES):
            found.add(words[0])
        if token.text == "{":
            blocks.append(words[0])
        elif token.text == "}":
            blocks.pop()
        words = []
    return found
