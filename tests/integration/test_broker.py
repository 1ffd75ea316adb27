"""The embedded broker as its users see it: it starts, keeps its records through kill -9, and refuses in words."""

import json
import os
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.conftest import wait_until
from varve.broker import EmbeddedBroker, cluster_id, loaded_ahead
from varve.errors import Conflict, Unavailable
from varve.java import Jar, class_path, find_java, java_version, read_lock

pytestmark = pytest.mark.slow
TOPIC = "kept"


@pytest.fixture
def embedded(tmp_path: Path, jar_cache: Path) -> Iterator[Callable[[], EmbeddedBroker]]:
    made: list[EmbeddedBroker] = []

    def make() -> EmbeddedBroker:
        made.append(EmbeddedBroker(tmp_path / "broker", jar_cache, 256))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def make_topic(address: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})  # by name: collected, it would cancel its own request
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(20)


def publish(address: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all", "message.max.bytes": 16_000_000})
    refused: list[object] = []
    for value in values:
        producer.produce(TOPIC, value, on_delivery=lambda error, _: refused.append(error) if error else None)
    assert producer.flush(30) == 0
    assert refused == []


def published(address: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    try:
        return [bytes(record.value() or b"") for record in consumer.consume(count, 30)]
    finally:
        consumer.close()


def test_records_acknowledged_before_kill_9_are_there_after_a_restart(embedded: Callable[[], EmbeddedBroker]) -> None:
    first = embedded()
    address = first.start()
    make_topic(address)
    values = [b"%d" % number for number in range(1000)] + [os.urandom(9_000_000)]
    publish(address, values)
    os.kill(first.pid, signal.SIGKILL)
    wait_until(lambda: not first.alive(), what="the killed broker to be gone")
    first.stop()
    second = embedded()
    assert second.start() == address  # producers find it where it was
    assert published(address, 1001) == values


def test_a_broker_left_by_a_killed_supervisor_is_ended_and_replaced(embedded: Callable[[], EmbeddedBroker], tmp_path: Path) -> None:
    first = embedded()
    first.start()
    orphan = first.pid
    assert first._lock is not None
    first._lock.close()  # what the kernel does when the supervisor dies; here the broker lives on
    second = embedded()
    second.start()
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE
    assert second.alive()


def test_a_second_broker_on_one_directory_is_refused(embedded: Callable[[], EmbeddedBroker]) -> None:
    first = embedded()
    first.start()
    with pytest.raises(Conflict, match="already runs"):
        embedded().start()
    assert first.alive()


def test_another_broker_on_our_port_is_not_taken_for_ours(
    embedded: Callable[[], EmbeddedBroker], tmp_path: Path, jar_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came between our look at the port and our start: records would go to its log."""
    broker, other = embedded(), EmbeddedBroker(tmp_path / "other", jar_cache, 256)
    broker.start()
    broker.stop()
    ports = (tmp_path / "broker" / "ports.json").read_text()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "ports.json").write_text(ports)
    other.start()
    monkeypatch.setattr("varve.broker.is_free", lambda _port: True)
    try:
        with pytest.raises(Unavailable, match="stopped while starting"):
            broker.start()
    finally:
        other.stop()


def test_an_unknown_topic_is_an_error_not_a_new_topic(embedded: Callable[[], EmbeddedBroker]) -> None:
    address = embedded().start()
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "allow.auto.create.topics": True})
    with pytest.raises(KafkaException):
        consumer.get_watermark_offsets(TopicPartition("misspelt", 0), timeout=5)
    consumer.close()
    assert "misspelt" not in AdminClient({"bootstrap.servers": address}).list_topics(timeout=10).topics


def test_its_memory_stays_below_350_mb_under_load(embedded: Callable[[], EmbeddedBroker]) -> None:
    one = embedded()
    address = one.start()
    make_topic(address)
    for _ in range(10):
        publish(address, [os.urandom(8_000_000)] * 3)
    assert psutil.Process(one.pid).memory_info().rss - _mapped_files(one.pid) < 350_000_000


def _mapped_files(pid: int) -> int:
    """Pages of segment indexes and jars belong to the page cache."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines() if Path("/proc").exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile"))


def test_a_taken_port_is_named_with_what_to_do(embedded: Callable[[], EmbeddedBroker], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (tmp_path / "broker").mkdir()
        (tmp_path / "broker" / "ports.json").write_text(json.dumps({"clients": port, "controller": port + 1}))
        with pytest.raises(Conflict, match=rf"port {port}.*taken by another program.*ports\.json"):
            embedded().start()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, jar_cache: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot write to .*file/broker"):
        EmbeddedBroker(tmp_path / "file" / "broker", jar_cache).start()


def test_without_a_network_the_message_names_the_ways_out(tmp_path: Path) -> None:
    def no_network(jar: Jar, scratch: Path) -> Path:
        raise OSError("Name or service not known")

    with pytest.raises(Unavailable, match=r"check the network, or set VARVE_LOG__BROKERS"):
        class_path(tmp_path, read_lock()[:1], no_network)


def test_a_jar_with_another_checksum_is_refused_and_not_kept(tmp_path: Path) -> None:
    def forged(jar: Jar, scratch: Path) -> Path:
        (scratch / jar.name).write_bytes(b"something else")
        return scratch / jar.name

    jar = read_lock()[0]
    with pytest.raises(Exception, match=f"{jar.name} came with sha256"):
        class_path(tmp_path, (jar,), forged)
    assert list(tmp_path.iterdir()) == []


def test_a_jar_damaged_in_the_cache_is_fetched_again(tmp_path: Path, jar_cache: Path) -> None:
    jar = read_lock()[0]
    good = Path(class_path(jar_cache, (jar,)))
    (tmp_path / jar.name).write_bytes(b"cut short")

    def fetch(wanted: Jar, scratch: Path) -> Path:
        (scratch / wanted.name).write_bytes(good.read_bytes())
        return scratch / wanted.name

    class_path(tmp_path, (jar,), fetch)
    assert (tmp_path / jar.name).read_bytes() == good.read_bytes()


def test_a_java_home_that_is_no_java_gives_way_to_the_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    (tmp_path / "bin" / "java").chmod(0o755)
    assert java_version(tmp_path / "bin" / "java") == 11
    found = find_java(str(tmp_path))
    assert tmp_path not in found.parents
    assert java_version(found) >= 17


def test_a_broker_finds_its_classes_loaded_ahead(embedded: Callable[[], EmbeddedBroker], jar_cache: Path) -> None:
    one = embedded()
    one.start()
    kept = loaded_ahead(find_java(""), class_path(jar_cache), jar_cache).removeprefix("-XX:AOTCache=")
    assert not Path("/proc").exists() or kept in Path(f"/proc/{one.pid}/maps").read_text()


def test_a_java_that_cannot_load_ahead_starts_slowly(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.2\"' >&2\n")
    java.chmod(0o755)
    assert loaded_ahead(java, "classes", tmp_path) == ""


def test_a_cluster_id_never_looks_like_an_option() -> None:
    assert [cluster_id(uuid.UUID(bytes=bytes([first]) + bytes(15)))[0] for first in (0xF8, 0xFB, 0x00)] == ["A"] * 3
