"""A producer that knows nothing of Varve: plain JSON with any key to the topic varve.intake, through confluent-kafka.

python examples/producer_confluent.py 127.0.0.1:9092 [varve.intake]
"""

import json
import sys
from datetime import UTC, datetime, timedelta

from confluent_kafka import KafkaError, Message, Producer


def main(brokers: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True})
    start = datetime(2025, 1, 1, tzinfo=UTC)
    event = {
        "type": "points_written",
        "event_id": "plant-7-2025-01-01",  # send it again and it counts once
        "series": ["plant-7/power", "plant-7/power", "plant-7/wind"],
        "valid_time": [(start + timedelta(hours=hour)).isoformat() for hour in (0, 1, 0)],
        "value": [12.5, 13.25, 8.0],
    }
    producer.produce(topic, key="anything", value=json.dumps(event), on_delivery=told)
    producer.flush(30)


def told(error: KafkaError | None, message: Message) -> None:
    where = f"on {message.topic()}, partition {message.partition()}, offset {message.offset()}"
    sys.stdout.write((f"not delivered: {error}" if error else where) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "varve.intake")
