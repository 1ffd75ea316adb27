"""Documents through the fold against a dictionary: who is there, at which version, and who is refused; in any grouping into records."""

from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.fold import fold
from streams.state import PartitionState
from varve.codec import event_key
from varve.columns import no_points
from varve.events import EntityDeleted, EntityPut
from varve.record import Record
from varve.series import DEFAULT_TENANT

KINDS, IDS = ("thing", "user"), ("1", "2/3")
PLACES = [(kind, ident) for kind in KINDS for ident in IDS]


@dataclass(frozen=True)
class Act:
    """expected: how the version that is asked for differs from the one that is there; None: none is."""

    place: tuple[str, str]
    delete: bool = False
    if_absent: bool = False
    expected: int | None = None


acts = st.builds(
    Act, st.sampled_from(PLACES), st.booleans(), st.booleans(), st.one_of(st.none(), st.sampled_from([0, 0, 1])),
)  # fmt: skip


@dataclass
class Model:
    """there: version and document; versions: of each place, what was put or None."""

    there: dict[tuple[str, str], tuple[int, dict[str, Any]]] = field(default_factory=dict)
    rows: dict[tuple[str, str], list[dict[str, Any] | None]] = field(default_factory=dict)

    def apply(self, act: Act, expected: int | None, document: dict[str, Any], version: int) -> str:
        found = self.there.get(act.place, (0, {}))[0]
        if expected is not None and expected != found:
            return "refused"
        if act.delete and not found:
            return "refused"
        if not act.delete and act.if_absent and found:
            return "refused"
        if act.delete:
            del self.there[act.place]
        else:
            self.there[act.place] = version, document
        self.rows.setdefault(act.place, []).append(None if act.delete else document)
        return "applied"


@settings(deadline=None)
@given(st.lists(st.lists(acts, min_size=1, max_size=4), max_size=12))
def test_the_fold_decides_as_a_dictionary_would(records: list[list[Act]]) -> None:
    state, model, number = PartitionState(0), Model(), 0
    rows: dict[tuple[str, str], list[dict[str, Any] | None]] = {}
    for offset, group in enumerate(records):
        events, wanted, statuses = list[Any](), dict[bytes, str](), dict[bytes, str]()
        for at, act in enumerate(group):
            number += 1
            version = offset << 20 | (at + 1)  # documents take one number each
            found = model.there.get(act.place, (0, {}))[0]
            expected = None if act.expected is None else found + act.expected
            document, event_id = {"number": number}, f"e{number}"
            common: dict[str, Any] = {"kind": act.place[0], "id": act.place[1], "expected_version": expected, "event_id": event_id}
            events.append(EntityDeleted(**common) if act.delete else EntityPut(**common, document=document, if_absent=act.if_absent))
            wanted[event_key(DEFAULT_TENANT, event_id)] = model.apply(act, expected, document, version)
        change, folded, _ = fold(state, Record(tuple(events), no_points()), offset, 1_700_000_000_000_000_000 + offset)
        state.take(change)
        for row in folded.tables["outcomes"].to_pylist():
            statuses[row["event_id"]] = row["status"]
        assert statuses == wanted
        for row in folded.tables["entities"].to_pylist() if "entities" in folded.tables else []:
            told = None if row["deleted"] else orjson.loads(row["document"])
            rows.setdefault((row["kind"], row["id"]), []).append(told)
            if told is not None and model.there.get((row["kind"], row["id"]), (0, {}))[1] == told:
                assert row["version"] == model.there[row["kind"], row["id"]][0]
    assert rows == model.rows
