"""`varve rebuild`: throws every view away, so that the next start builds them from varve.events again (I1).

Before: a person whose start was refused, with the repair named. After: `varve up`, or the workers and sinks of a set-up on
several machines. Refused while anything folds; may be killed anywhere and run again.
"""

from collections.abc import Callable, Iterator

from sink.removal import Removal, carry_out_removal, plan_removal
from streams.log_kafka import KafkaLog
from streams.rebuild import Plan, carry_out, plan_rebuild, refuse_while_folding
from streams.topics import Topics
from varve.offline import offline, refuse_without_log, run_with_log
from varve.settings import Settings

Say = Callable[[str], None]
Confirm = Callable[[str], bool]


def run_rebuild(settings: Settings, say: Say, confirm: Confirm) -> bool:
    """Whether it was done: False where the person said no."""
    refuse_without_log(settings)
    with offline(settings) as reached:
        return run_with_log(reached, lambda log: _rebuild(log, reached, say, confirm))


async def _rebuild(log: KafkaLog, settings: Settings, say: Say, confirm: Confirm) -> bool:
    topics = log.topics
    await refuse_while_folding(log, topics)
    plan = await plan_rebuild(log, topics, settings.log.replication)
    removal = plan_removal(settings, topics.generation)
    for line in _intent(settings, topics, plan, removal):
        say(line)
    if not confirm("Remove these and rebuild them at the next start?"):
        say("nothing was removed")
        return False
    carry_out_removal(settings, topics.generation, removal)  # first: cut short after it, a start rebuilds or names this command
    await carry_out(log, topics, plan, settings.log.replication)
    say(f"done: the next `varve up` rebuilds every view from the {plan.events} record(s) of {topics.events}")
    return True


def _intent(settings: Settings, topics: Topics, plan: Plan, removal: Removal) -> Iterator[str]:
    yield f"varve rebuild removes, on the broker at {settings.log.brokers}:"
    for topic in plan.topics:
        yield f"    the topic {topic.name}"
    yield f"and {removal.words}"
    yield f"{topics.events} ({plan.events} records), {topics.intake}, {topics.dead_letters} and the spool stay as they are"
    if plan.lost:
        yield f"{plan.lost} record(s) were folded once and are not in {topics.events} any more: what they wrote will be gone"
    if plan.fill:
        yield f"{topics.intake} lost {sum(plan.fill.values())} record(s); their places are filled, so that none is taken for another"
