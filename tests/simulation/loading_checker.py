"""What a history of loading has left: every run in its states, in its turn, once for its due instant; every reading once.

Before: loading_world.py has settled. After: complaints, none where all is well. It looks from outside: at documents and cells alone.
"""

from bisect import bisect
from collections.abc import Iterator, Sequence
from itertools import pairwise

from streams.loading.known import ATTEMPTS_MAX
from streams.loading.moments import said_time
from streams.loading.service import RUN, Document
from streams.loading.tasks import Run, due_run, retry_run, run_of
from tests.simulation.loading_service import reading
from tests.simulation.loading_world import GROWS, MINUTE, SERIES, START, TASK_ID, LoadingWorld

Story = Sequence[Run]
NEAR = 40  # runs that were asked for before one, among which those are that matter to it
ALLOWED = {"PENDING": ("STARTED",), "STARTED": ("STARTED", "SUCCESS", "FAILURE"), "SUCCESS": (), "FAILURE": ()}


def complaints(world: LoadingWorld) -> list[str]:
    stories = _stories(world.service.versions)
    found = [*_states(stories), *_overlaps(world.service.versions), *_retries(stories)]
    found += [*_due(world, stories), *_cells(world, stories)]
    return found


def _stories(versions: Sequence[Document]) -> dict[str, list[Run]]:
    """Every run's versions."""
    found: dict[str, list[Run]] = {}
    for one in versions:
        if one.kind == RUN:
            found.setdefault(one.id.partition("/")[2], []).append(run_of(one))
    return found


def _states(stories: dict[str, list[Run]]) -> Iterator[str]:
    for ident, story in stories.items():
        steps = [run.status for run in story]
        if steps[0] != "PENDING" or any(after not in ALLOWED[before] for before, after in pairwise(steps)):
            yield f"run {ident} went {' '.join(steps)}"
        elif not story[-1].finished:
            yield f"run {ident} is {steps[-1]} at the end"
        runners = {run.runner for run in story if run.status == "STARTED"}
        if len(runners) > 1:
            yield f"run {ident} had the runners {sorted(runners)}"


def _overlaps(versions: Sequence[Document]) -> Iterator[str]:
    started: set[str] = set()
    for one in versions:
        if one.kind != RUN:
            continue
        run = run_of(one)
        if run.status != "STARTED":
            started.discard(run.id)
        elif run.id not in started and started:
            yield f"run {run.id} began while {sorted(started)} went on"
        if run.status == "STARTED":
            started.add(run.id)


def _retries(stories: dict[str, list[Run]]) -> Iterator[str]:
    for story in stories.values():
        last = story[-1]
        if last.lost and last.attempt < ATTEMPTS_MAX and retry_run(last) not in stories:
            yield f"run {last.id} was lost and not tried again"
        if last.status == "FAILURE" and not last.lost:
            yield f"run {last.id} failed: {last.body['message']}"
        roots = [run for run in story if run.attempt > 1]
        if roots and (roots[0].root not in stories or roots[0].body.get("since") != stories[roots[0].root][-1].body.get("since")):
            yield f"run {last.id} does not count from where its first attempt did"


def _due(world: LoadingWorld, stories: dict[str, list[Run]]) -> Iterator[str]:
    """For each minute in which somebody looked there is a run, or one that began since or had yet to begin; for no other one there is."""
    found = {ident for ident, story in stories.items() if story[0].attempt == 1}
    ordered = sorted(stories.values(), key=lambda story: story[0].requested)
    asked = [story[0].requested for story in ordered]
    for at in range(1, (world.stopped - START) // MINUTE):
        due = START + at * MINUTE
        ident = due_run(TASK_ID, due)
        near = ordered[max(0, bisect(asked, due) - NEAR) : bisect(asked, due + MINUTE)]
        if ident not in found:
            if at in world.done and not any(_covers(story, due, due + MINUTE) for story in near):
                yield f"{said_time(due)}: there is no run"
            continue
        found.remove(ident)
        if at not in world.looked:
            yield f"{said_time(due)}: nobody looked, and there is a run"
        if any(_told(story, due, stories[ident][0]) for story in near if story[0].id != ident):
            yield f"{said_time(due)}: the run was needless"
    if found - {due_run(TASK_ID, world.stopped)}:
        yield f"runs of no due instant: {sorted(found)[:3]}"


def _covers(story: Story, due: int, until: int) -> bool:
    """A run that was asked for before `until` and was begun since the instant."""
    return story[0].requested < until and _begun(story) >= due


def _told(story: Story, due: int, asked: Run) -> bool:
    """Who asked for a run had seen one that had yet to begin then, or said that it had begun since the instant, and was not lost."""
    if story[0].recorded >= asked.requested or (story[-1].lost and story[-1].recorded <= asked.recorded):
        return False
    return _begun(story) > asked.recorded or (_begun(story) < asked.requested and (story[-1].started or 0) >= due)


def _begun(story: Story) -> int:
    return next((run.recorded for run in story if run.status == "STARTED"), story[-1].recorded)


def _cells(world: LoadingWorld, stories: dict[str, list[Run]]) -> Iterator[str]:
    newest = max((max(layers, default=0) for layers in world.service.layers.values()), default=0)
    expected, grown = set(range(START, newest + 1, MINUTE)), _grown(world, stories)
    for series in SERIES:
        layers = world.service.layers[series]
        missing, strange = sorted(expected - layers.keys()), sorted(layers.keys() - expected)
        if missing or strange:
            yield f"{len(missing)} readings are missing, first {said_time(missing[0]) if missing else ''}; {len(strange)} are strange"
        wrong = [time for time, values in layers.items() if set(values) != {reading(time)}]
        if wrong:
            yield f"{len(wrong)} readings are wrong"
        twice = sorted(time for time, values in layers.items() if len(values) > 1 and time not in grown)
        if twice:
            yield f"{len(twice)} readings were added twice, first {said_time(twice[0])}"
    if newest < world.clock.ns - 2 * GROWS:
        yield f"the newest reading is of {said_time(newest)}, now is {said_time(world.clock.ns)}"


def _grown(world: LoadingWorld, stories: dict[str, list[Run]]) -> set[int]:
    """Times of readings which a run was told in different company at different attempts, since the source had grown: other chunks."""
    found: set[int] = set()
    for root, published in world.fetched.items():
        if len(published) > 1:
            ends = [int(end) for end in stories[root][-1].body.get("since", {}).values() if end is not None]
            found |= set(range(min(ends, default=START), max(published) + 1, MINUTE))
    return found
