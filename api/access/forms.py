"""Form fields of a request: read within bounds of size and number."""

from urllib.parse import parse_qsl

from fastapi import Request

from api.request import read_body
from varve.errors import Incorrect

MB_MAX, FIELDS_MAX = 1, 200


def address_of(request: Request) -> str:
    """The client's, by which failed log-ins are slowed down."""
    return request.client.host if request.client else ""


async def read_form(request: Request) -> dict[str, str]:
    """The last of each name."""
    return dict(fields_in(await read_body(request, MB_MAX)))


def fields_in(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Incorrect("form-too-long", f"the form has more than {FIELDS_MAX} fields") from None
