"""The pages on which a person says who they are: plain HTML forms, nothing kept in the browser. Pure.

Before: oauth2.py, dance.py and their routes. After: a browser. Whatever came with the request is escaped; no other page may frame these.
"""

from collections.abc import Mapping
from html import escape

from fastapi import Response

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
}  # fmt: skip
_STYLE = "body{font:16px sans-serif;max-width:36em;margin:4em auto;padding:0 1em}input,button{display:block;margin:.5em 0;padding:.4em}"
_STYLE += "input{width:100%;box-sizing:border-box}pre{white-space:pre-wrap;word-break:break-all;background:#eee;padding:1em}.no{color:#a00}"


def log_in_page(title: str, words: str, fields: Mapping[str, str], refusal: str = "", status: int = 200) -> Response:
    """Asks for e-mail and password, and sends the fields along."""
    hidden = "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(text)}">' for name, text in fields.items())
    said = f'<p class="no">{escape(refusal)}</p>' if refusal else ""
    form = (
        f'{said}<form method="post">{hidden}'
        '<label>E-mail<input name="email" type="email" autocomplete="username" required autofocus></label>'
        '<label>Password, or API key<input name="password" type="password" autocomplete="current-password" required></label>'
        "<button>Go on</button></form>"
    )
    return page(title, f"<p>{escape(words)}</p>{form}", status)


def shown_page(title: str, words: str, text: str) -> Response:
    """Text to be copied."""
    return page(title, f"<p>{escape(words)}</p><pre>{escape(text)}</pre>")


def page(title: str, body: str, status: int = 200) -> Response:
    """body: HTML, escaped already."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title><style>{_STYLE}</style>'
    text = f"<!doctype html><html lang=en><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>"
    return Response(text, status, HEADERS, "text/html")
