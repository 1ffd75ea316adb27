"""Floors of the log: raw aiokafka on the broker of the server under test, the same bytes, acks=all, and nothing behind it.

Before: a line with the bodies that it sent. After: seconds, or milliseconds a record.
"""

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.row import median
from varve.clock import SystemClock, new_id

RECORD_BYTES_MAX = 16 << 20
PARTITIONS = 4
CLOCK = SystemClock()


def produce(brokers: str, bodies: Sequence[bytes], in_flight: int) -> tuple[float, float]:
    """Seconds for all, and the median milliseconds of one; each sender awaits the acknowledgement before its next."""
    return asyncio.run(_produce(brokers, bodies, in_flight))


async def _produce(brokers: str, bodies: Sequence[bytes], in_flight: int) -> tuple[float, float]:
    topic = await _topic(brokers)
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", max_request_size=RECORD_BYTES_MAX)
    await producer.start()
    try:
        for partition in range(PARTITIONS):  # until each has a leader
            await producer.send_and_wait(topic, b"warm", partition=partition)
        taken: list[float] = []

        async def send(number: int) -> None:
            for at in range(number, len(bodies), in_flight):
                start = CLOCK.monotonic()
                await producer.send_and_wait(topic, bodies[at], partition=at % PARTITIONS)
                taken.append(CLOCK.monotonic() - start)

        start = CLOCK.monotonic()
        await asyncio.gather(*(send(number) for number in range(in_flight)))
        return CLOCK.monotonic() - start, 1000 * median(taken)
    finally:
        await producer.stop()


async def _topic(brokers: str) -> str:
    name = f"floor-{new_id()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs={"max.message.bytes": str(RECORD_BYTES_MAX)})])
    finally:
        await admin.close()
    return name
