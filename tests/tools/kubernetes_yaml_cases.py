"""Texts that YAML's readers take for different things, to be held against the real kubectl."""

from __future__ import annotations

# Scalars without line breaks, as values of a field.
LINES = [
    "0 1 -1 +1 -0 +0 00 007 0777 -0777 +0777 0o777 0O777 -0o7 +0o7 0o8 08 09 09.5 0b11 -0b11 +0b1 0B11 0b2 0b",
    "0x1F 0X1F -0x1 +0x1f 0xG 0x 0x_1 0x1_F 0_7 0b1_1 0_b1 1_000 1__0 _1 1_ +_1 1_000.5 1_0e1_0 1._5",
    ".5 5. -.5 +.5 1. . -. .5e3 .5_0 1e3 1E3 1e+3 1e-3 1.5e3 1e 1e3.5 e3 .e3 1e1000 0x1p4 1p4 1.0 1.50 -0.0 0.1",
    "1e20 1e21 0.0000001 123456789.123 9223372036854775807 9223372036854775808 -9223372036854775808",
    "-9223372036854775809 18446744073709551615 18446744073709551616 99999999999999999999999999 0x8000000000000000",
    "0xFFFFFFFFFFFFFFFFF .inf .Inf .INF -.inf +.inf .nan .NaN inf nan Infinity .Infinity",
    "~ null Null NULL nULL y Y n N yes Yes YES yES no No NO on On ON off Off OFF true True TRUE tRUE false FALSE",
    "= << ? - : * & ! @a `a %a 12:30 12:30:45 1:2 190:20:30.15 2024-01-01 2024-1-1 2024-03-01T10:00:00Z 1:",
    "a#c -- --- ... .. ${X} ${{X}} http://x:80/?a=b a?b ?a :a [a?b] [http://x/?a=b] [a:,b] [a:] {a:,} {a:b} [-] [,]",
    '{a} {"a":b} {a:[b]} {{x}} [1]x',
]  # fmt: skip
PLAIN = [scalar for line in LINES for scalar in line.split()]
OTHERS = [
    "!!str 5", "!!str yes", "!!str ~", "!!str", '!!int "5"', "!!int 5.5", "!!int x", "!!int ~", '!!int "0b11"',
    "!!float 5", '!!float "1e3"', "!!float x", '!!bool "yes"', "!!bool x", '!!null ""', "!!null x", "!foo bar",
    "!!binary aGVsbG8=", '!!binary "a b"', "!!binary //79", "!!timestamp 2024-01-01", "!!timestamp x", "! 5",
    "!foo 5", "!foo {a: 1}", "!!set {a, b}", "!!omap [a: 1]", "!!map [1]", "!<tag:yaml.org,2002:str> 5", "!e!x 1",
    '"a\\tb"', "'a\tb'", "a\tb", '"\\u0085"', '"\\x41\\u00e9\\U0001F600"', '"\\ud83d\\ude00"', '"\\U00110000"', '"\\/"',
    '"\\N\\_\\L\\P\\e\\0"', '"\\q"', '"\\xZZ"', "'it''s'", "a # c", "a\t# c", "a \t ", '"a"\t', '"a"\t# c', "#", '""',
    '"it\\\'s"', '"\\\\\'s"', "'it\\'", '"a\\\'b\\\'": c', '[a, "\\\'"]', "it\\'s",
    "a\x85b", '"a\x85b"', "a\u2028b", "\xa0", "\ufeff", "a\ufeffb", "\x07", '"\x07"', "\x7f", "a\rb",
    "|\n    a\n    b", ">-\n    a\n    b", ">\n    a\n\n      b\n    c", "|+\n    a\n\n", "|2\n     a", "|1-\n   a",
    "|0\n  a", "|\t\n    a", "|\t# c\n    a", "|\n    \ta", "|\n  \n    a", "|\n     \n    a", "|x", ">",
    "|-1+\n   a",
    "a\n    b", "a\n\tb", "a\n   \tb", '"a\n\tb"', '"a\n\n  b"', '"a\\\n    b"', "'a", '"a',
    "- a", "? a", "a: b", '"a" b', "*a", "&a b", "&a", "&a.b x", "[a, b: c]", "[a, ]", "{a, b: }", "{a: b,}", "{a: [}",
    "{[a]: b}", "{? a : b}", "{{a: b}: c}", '"{{ x }}"', "{{ x }}", "[a\tb]", "[a,\tb]", "{a:\tb}", "{\ta: b}",
    "{a: b\t}", "&a\tx", "[&a x, *a\t]", "[\n\ta,\n\tb\n]", "{\n\ta: b,\n\tc: d\n\t}", "[\n]", "&a [*a]",
    "{a: *b, b: &b 1}",
    "{v: 1, v: 2}", "{8080: a, true: b, y: c, 1.5: d, 0x10: e, -0: f, 1e3: g, 2024-01-01: h, 12:30: i}", "{~: a}",
    "{1e21: a, 1e6: b, 1234567.0: c, 0.00001: d, 123456.7: e, 1e39: f, 0.3333333333: g}",
    "{: a}", "{.inf: a, .nan: b}",
    "{18446744073709551615: a}", "{99999999999999999999: a}", "{!!binary aGk=: a}", '{"": a}', f"{{{'k' * 1000}: b}}",
    "{b: &b {x: 1, z: 2}, c: {<<: *b, z: 3}}", "{b: &b {x: 1, z: 2}, c: {z: 3, <<: *b}}", "{<<: {x: 1}, z: 2}",
    "{b: &b {x: 1}, c: &c {x: 2, z: 3}, d: {<<: [*b, *c]}}", "{b: &b {x: 1}, c: &c {x: 2}, d: {<<: *b, <<: *c}}",
    "{<<: x}", "{<<: }", '{"<<": {x: 1}}', "{<<: [1]}", "{<<: []}", "{!!merge <<: {x: 1}}", "{!!str <<: {x: 1}}",
    "{! <<: {x: 1}, z: 2}", "{b: ! <<}", "&a [&a x, *a]", "{b: &b [&b x], c: *b}", "{b: &b x, c: &b y, d: *b}",
    "{!!str a?b}", "[?a]", "{? a}", "['a?b', \"a?b\"]", '{"a":[b], "c":{d: e}}', "['a':[b]]", "{a:b:, c}",
    '"a:[b]"', "a:[b]", "a?b",
    "{b: &b [{x: 1}], d: {<<: *b}}", "{b: &b {x: 1}, d: {x: 5, <<: *b, x: 6}}",
]  # fmt: skip

HEAD = "apiVersion: v1\nkind: Route\nmetadata: {name: NAME}\n"
JSON = '{"apiVersion": "v1", "kind": "Route", "metadata": {"name": "NAME"}}'
# Whole files, or a file and its encoding: NAME is the Route's name, which is unique.
FILES: list[str | tuple[str, str]] = [
    HEAD, "\ufeff" + HEAD, ("\ufeff" + HEAD, "utf-16-le"), ("\ufeff" + HEAD, "utf-16-be"),
    (HEAD, "utf-16-le"), (HEAD + "# Größe\n", "latin-1"), (HEAD + "spec: {v: Größe}\n", "latin-1"),
    (HEAD + "spec:\n  v: x\n---\n" + HEAD).replace("\n", "\r\n"), (HEAD + "spec:\n  v: x\n").replace("\n", "\r"),
    HEAD + "spec:\n\tv: x\n", HEAD + "\t\nspec: {}\n", HEAD + "\t# x\nspec: {v: 1}\n", HEAD + "spec:\n  \t\n  v: 1\n",
    HEAD + "spec:\tx\n", HEAD + "spec:\t\n  v: 1\n", HEAD + "spec:\n  -\ta\n", HEAD + "spec\t: {v: 1}\n",
    HEAD + "spec:\n  ?\ta\n  : b\n", HEAD + "spec:\n  v: x\n\tw: y\n", "---\t\n" + HEAD, HEAD + "spec: {}\t# x\n",
    HEAD + "...\n" + HEAD, HEAD + "...\n---\n" + HEAD, "--- \n" + HEAD, "--- # x\n" + HEAD, "--- {a: b}\n" + HEAD,
    "--- x\n" + HEAD, HEAD + "----\n" + HEAD, HEAD + "---", "---\n---\n# only\n---\n" + HEAD + "---\n\n---\n",
    "", "# x\n", "null\n---\n" + HEAD, "~\n---\n" + HEAD, HEAD + "---\na: [\n", HEAD + "...\nx\n",
    "%YAML 1.1\n---\n" + HEAD, "%YAML 1.2\n---\n" + HEAD, "%TAG !e! tag:x,2000:\n---\n" + HEAD,
    HEAD + "spec:\n  v: |\n    a\n    ---\n    b\n", HEAD + "spec:\n  v: |\n   a\n---\n" + HEAD,
    HEAD + "metadata: {name: NAME, x: y}\n", HEAD + "spec: &a {v: 1}\n---\n" + HEAD + "spec: *a\n",
    HEAD + "spec: {v: a}\u0085x: b\n", HEAD + "# \x00\n", HEAD + "# \x07\n", HEAD + "# \x7f\n", HEAD + "# \ufffe\n",
    HEAD + "# \ufeff\n", HEAD + "\ufeffspec: {v: 1}\n", HEAD + "spec:\n  v:\n  - a\n  - b\n", HEAD.rstrip(),
    HEAD + "spec:\n   v: 1\n  w: 2\n", HEAD + "   \n", "apiVersion: v1\nkind: Template\n- name: HOST\n",
    HEAD + "spec:\n  : a\n", HEAD + "spec:\n  ? a\n  : b\n  ? c\n", HEAD + f"spec:\n  {'k' * 1100}: b\n",
    *(HEAD + f"spec:\n  v: {style}\n    a" for style in ("|", "|+", "|-", ">", ">+", "a", "'x")),
    HEAD + "spec:\n  v: |\n    a\n    ", HEAD + "spec:\n  v: |+\n    a\n---",
    HEAD + 'spec:\n  "a\n    b": c\n', HEAD + "spec: {\nv: a\n}\n", HEAD + "spec:\n  v: [\n  a\n]\n",
    JSON, "\ufeff" + JSON, JSON + "\n" + JSON, JSON + "\n---\n" + JSON, JSON + "\n---\n" + HEAD, HEAD + "---\n" + JSON,
    JSON + " x", JSON.replace("}}", "},}"), JSON.replace('"kind"', '# x\n"kind"'), "# x\n" + JSON,
    JSON.replace(", ", ",\n\t"), "{apiVersion: v1, kind: Route, metadata: {name: NAME}}",
    *(JSON[:-1] + f', "spec": {value}}}' for value in (
        "NaN", '"a\tb"', '"a\x01b"', '{"v": "\\ud83d"}', '{"v": "\\ud83d\\ude00\\/"}', '{"v": "\\u0000"}', "1e400",
        "-0", '{"v": 1e3, "w": 1.0, "x": 12345678901234567890, "y": 0.5}', '{"v": 1, "v": 2}', "yes", "0777",
        "1" + "0" * 400, "1" + "0" * 5000, "-" + "9" * 80, '{"v": 100000000000000000000000}',
    )),
]  # fmt: skip
