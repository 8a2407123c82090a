"""Texts that try to leave the place in which they are shown: pages and terminals."""

from typing import Final

HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</pre></details><iframe srcdoc='<script>alert(1)</script>'>",
    "</style><style>@import url(//evil.example)</style>",
    "</title><base href=//evil.example>",
    "<!--<script>-->alert(1)<!--",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "javascript:alert(1)",
    "&lt;script&gt;&#60;script&#62;",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "\x1b[31mred\x1b[0m\x1b[?1049h\x1b[1;1H",
    "\x9b31m\x9d0;owned\x9c\x90q\x9c",
    "line\r\nforged line\n\ttab\x0b\x0c\x85",
    "\u202egnp.exe\u202c\u2066hidden\u2069\u200f\u061c",
    "\u2028\u2029\ufeff\ufff9\ufffa\ufffb",
    "\U000e0041\U000e007f\x00\x7f\x08\x08\x08",
    "${7*7}{{7*7}}<%= 7*7 %>%s%n\\u003cscript\\u003e",
    "a" * 100_000,
)
