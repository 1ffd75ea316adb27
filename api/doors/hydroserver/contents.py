"""What lies in a workspace, on a thing, under a datastream, and goes with it.

Before: who deletes one. After: documents.delete, what depends first, so that a deletion that was broken off can be asked for again.
"""

import uuid
from collections.abc import Sequence

from api.doors.hydroserver import confined, documents
from api.doors.hydroserver.documents import Document
from api.parts import Parts
from api.request import Caller
from varve.events import Event, SeriesDeleted

VOCABULARIES = ("observed-property", "unit", "sensor", "processing-level", "result-qualifier")
LOADING = ("ingestion-task", "data-connection")


async def delete_contents(parts: Parts, who: Caller, workspace_id: uuid.UUID) -> None:
    for key in await documents.all_of(parts, who, "api-key", workspaceId=str(workspace_id)):
        await confined.shut_out(parts, who, key.id)
        await documents.delete(parts, who, [("api-key", str(key.id))])
    for noun in LOADING:
        found = await documents.all_of(parts, who, noun, workspaceId=str(workspace_id))
        await documents.delete(parts, who, [(noun, str(one.id)) for one in found])
    await delete_datastreams(parts, who, await documents.all_of(parts, who, "datastream", workspaceId=str(workspace_id)))
    for thing in await documents.all_of(parts, who, "thing", workspaceId=str(workspace_id)):
        await documents.delete(parts, who, [*attached(thing), ("thing", str(thing.id))])
    for noun in VOCABULARIES:
        found = await documents.all_of(parts, who, noun, workspaceId=str(workspace_id))
        await documents.delete(parts, who, [(noun, str(one.id)) for one in found])


async def delete_datastreams(parts: Parts, who: Caller, found: Sequence[Document]) -> None:
    """With their series and files."""
    series: list[Event] = [SeriesDeleted(series_id=one.id, tenant=who.tenant) for one in found]
    files = [file for one in found for file in attached(one)]
    gone = documents.deletions(who, [*files, *(("datastream", str(one.id)) for one in found)])
    await documents.write(parts, who, [*series, *gone])


def attached(one: Document) -> list[tuple[str, str]]:
    """The documents of its files' bytes."""
    return [("file-attachment", file["id"]) for file in one.body["fileAttachments"]]
