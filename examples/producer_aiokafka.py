"""The same foreign producer with aiokafka: plain JSON with any key to the topic varve.intake.

python examples/producer_aiokafka.py 127.0.0.1:9092 [varve.intake]
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaProducer


async def main(brokers: str, topic: str) -> None:
    event = {
        "type": "points_written",
        "event_id": "plant-8-2025-01-01",  # send it again and it counts once
        "series": "plant-8/power",
        "valid_time": ["2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z"],
        "value": [4.5, None],  # null: measured, but without a value
        "annotation": [None, "meter exchanged"],
    }
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        stored = await producer.send_and_wait(topic, json.dumps(event).encode(), key=b"anything")
        sys.stdout.write(f"on {stored.topic}, partition {stored.partition}, offset {stored.offset}\n")
    finally:
        await producer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "varve.intake"))
