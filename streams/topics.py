"""The topics of one log: their names and settings, and who writes and reads each. docs/asyncapi.json is generated from here.

intake   foreign producers and the API -> route agent        events  the truth, kept for ever -> fold agent
receipts route agent -> API                                  points-g  fold agent -> sink, subscribers
progress sinks -> APIs (compacted); also holds the log's id  dead-letters  whoever refused a record -> people
generations  a replay -> everybody: which g is served (compacted)    loads  scheduler -> loaders: whose turn it is
"""

from dataclasses import dataclass, field

RECORD_BYTES_MAX = 16 * 1024 * 1024
LOADS_PARTITIONS = 8  # as many loaders can share the work
_WEEK_MS = str(7 * 24 * 3600 * 1000)


@dataclass(frozen=True)
class Topic:
    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topics:
    """Names under one prefix, for generation g of the views, or for the one that is kept under a name. partitions: of events; it
    never changes (I2)."""

    prefix: str
    partitions: int
    generation: int = 1
    name: str = ""

    @property
    def label(self) -> str:
        """Of what belongs to this generation alone: topics, tables."""
        return self.name or str(self.generation)

    @property
    def intake(self) -> str:
        return f"{self.prefix}.intake"

    @property
    def events(self) -> str:
        return f"{self.prefix}.events"

    @property
    def receipts(self) -> str:
        return f"{self.prefix}.receipts"

    @property
    def points(self) -> str:
        return f"{self.prefix}.points-{self.label}"

    @property
    def progress(self) -> str:
        return f"{self.prefix}.progress"

    @property
    def generations(self) -> str:
        return f"{self.prefix}.generations"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}.dead-letters"

    @property
    def loads(self) -> str:
        return f"{self.prefix}.loads"

    def of_generation(self) -> list[Topic]:
        """Those that each generation has anew."""
        return [one for one in self.all() if one.name == self.points]

    def all(self) -> list[Topic]:
        """Every topic that `varve topics` makes (Faust makes its own changelogs)."""
        forever = {"retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": str(RECORD_BYTES_MAX)}
        weekly = {"retention.ms": _WEEK_MS, "max.message.bytes": str(RECORD_BYTES_MAX)}
        stamped = {"message.timestamp.type": "LogAppendTime"}
        return [
            Topic(self.intake, self.partitions, weekly | stamped),
            Topic(self.events, self.partitions, forever | stamped),
            Topic(self.receipts, 1, weekly),
            Topic(self.points, self.partitions, weekly),
            Topic(self.progress, 1, {"cleanup.policy": "compact"} | stamped),
            Topic(self.generations, 1, {"cleanup.policy": "compact"} | stamped),
            Topic(self.dead_letters, 1, forever),
            Topic(self.loads, LOADS_PARTITIONS, {"retention.ms": _WEEK_MS}),
        ]
