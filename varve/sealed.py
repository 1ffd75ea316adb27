"""Secrets that a document holds, such as the header by which a source knows us: sealed with the server's own secret, so that who reads the
log, a back-up or the document reads nothing.

Before: a door is given one. After: the loader opens it. Whoever has the server's secret can; when that is changed, they must be given anew.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from varve.errors import Incorrect


def sealed(secret: bytes, text: str) -> str:
    return _box(secret).encrypt(text.encode()).decode()


def opened(secret: bytes, text: str) -> str:
    try:
        return _box(secret).decrypt(text.encode()).decode()
    except InvalidToken:
        words = "The source's header cannot be read any more, since the server's secret has changed: set the header's value again."
        raise Incorrect("seal-broken", words) from None


def _box(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.digest(secret, b"varve sealed documents", hashlib.sha256)))
