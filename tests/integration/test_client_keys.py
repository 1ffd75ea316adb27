"""The Python client with a key: it works in the key's tenant, takes the key of the environment, and is refused in words."""

import pandas as pd
import pytest

from tests.integration.guarded_server import TENANT, Guarded, email
from varve import Client
from varve.errors import Forbidden, Unauthorized

pytestmark = pytest.mark.slow


def test_a_client_works_in_the_tenant_of_its_key(guarded: Guarded) -> None:
    with Client(guarded.served.url, key=guarded.keys["write"]) as client:
        assert str(client.tenant) == TENANT
        hours = pd.date_range("2025-01-01", periods=3, freq="h", tz="UTC")
        client.write("client/keys", pd.Series([1.0, 2.0, 3.0], hours), changed_by="somebody else")
        assert client.flat("client/keys").tolist() == [1.0, 2.0, 3.0]
        assert set(client.history("client/keys")["changed_by"]) == {email("write")}
        client.delete_series("client/keys")


def test_a_client_takes_the_key_of_the_environment(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VARVE_ACCESS__KEY", guarded.keys["read"])
    with Client(guarded.served.url) as client:
        assert str(client.tenant) == TENANT


def test_a_client_is_refused_in_words(guarded: Guarded) -> None:
    with Client(guarded.served.url) as nobody, pytest.raises(Unauthorized, match="X-API-Key"):
        nobody.flat("a")
    with Client(guarded.served.url, key=guarded.keys["read"]) as reader, pytest.raises(Forbidden, match="role write"):
        reader.increment_latest("a")
    with Client(guarded.served.url, tenant=TENANT, key=guarded.keys["other"]) as other, pytest.raises(Forbidden, match="not yours"):
        other.flat("a")
