"""The collections, aliases and errors of a stand-in for a Qdrant server, on the client's own emulation.

Where the emulation does otherwise than the server in what a client can see, the server's way is here.
"""

import importlib.metadata
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from pydantic import ValidationError
from qdrant_client.common import client_warnings
from qdrant_client.http import models
from qdrant_client.local.local_collection import LocalCollection
from qdrant_client.local.qdrant_local import QdrantLocal

VERSION = importlib.metadata.version("qdrant-client")

# The emulation says once a process that it is slow with many points: a stand-in is not there to be fast.
client_warnings.SEEN_MESSAGES.add("large-local-collection")


class RefusedError(Exception):
    """A request that the server refuses: the HTTP status, and the error's text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def key_refusal(expected: str | None, given: str | None) -> str | None:
    """Say why a key is refused, in the server's words; None where it is not."""
    if expected is None or expected == given:
        return None
    return (
        "Must provide an API key or an Authorization bearer token"
        if given is None
        else "Invalid API key or JWT"
    )


class QdrantCollections:
    """The collections and aliases of one server. Call its methods only inside `working()`."""

    def __init__(self) -> None:
        self.status = models.CollectionStatus.GREEN
        """What every collection says of its optimizer; a test may set it to YELLOW for a while."""
        self._local = QdrantLocal(":memory:")
        self._lock = threading.RLock()
        self._configs: dict[str, models.CreateCollection] = {}
        self._schemas: dict[str, dict[str, models.PayloadIndexInfo]] = {}
        self._operations = 0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Use the store alone; raises RefusedError for whatever the emulation refuses."""
        with self._lock:
            try:
                yield
            except RefusedError:
                raise
            except (ValidationError, msgspec.MsgspecError) as error:
                raise RefusedError(400, f"Format error in JSON body: {error}") from error
            except ValueError as error:
                raise _refusal(str(error)) from error
            except KeyError as error:
                raise RefusedError(404, f"Not found: No point with id {error} found") from error
            except Exception as error:
                raise RefusedError(500, f"Service internal error: {error!r}") from error

    def create(self, name: str, config: models.CreateCollection) -> bool:
        if name in self._local.collections:
            raise RefusedError(409, f"Wrong input: Collection `{name}` already exists!")
        if name in self._local.aliases:
            raise RefusedError(
                400,
                f"Wrong input: Can't create collection with name {name}. "
                "Alias with the same name already exists",
            )
        self._configs[name] = config
        self._schemas[name] = {}
        return self._local.create_collection(
            name, config.vectors or {}, config.sparse_vectors, metadata=config.metadata
        )

    def update(self, name: str, change: models.UpdateCollection) -> bool:
        name = self._named(name)
        self._local.update_collection(name, change.sparse_vectors)
        if change.metadata is not None:
            config = self._local.collections[name].config
            merged = {**(config.metadata or {}), **change.metadata}
            # The server takes a key out whose new value is null; the emulation keeps the null.
            kept = {
                key: value for key, value in merged.items() if change.metadata.get(key, value) is not None
            }
            config.metadata = kept or None
        for part in ("hnsw_config", "optimizers_config"):
            _overlay(self._configs[name], part, getattr(change, part))
        return True

    def drop(self, name: str) -> bool:
        """Remove a collection and its aliases; false where there is none, which is no error to the server."""
        if name not in self._local.collections:
            return False
        del self._configs[name], self._schemas[name]
        return self._local.delete_collection(name)

    def info(self, name: str) -> models.CollectionInfo:
        name = self._named(name)
        info = self._local.get_collection(name)
        info.status = self.status
        # The emulation knows no payload indexes and none of these settings, the server tells of them.
        info.payload_schema = dict(self._schemas[name])
        for given, told in (("hnsw_config", "hnsw_config"), ("optimizers_config", "optimizer_config")):
            diff = getattr(self._configs[name], given)
            if diff is not None:
                setattr(info.config, told, getattr(info.config, told).model_copy(update=_set(diff)))
        return info

    def collections(self) -> models.CollectionsResponse:
        return self._local.get_collections()

    def exists(self, name: str) -> bool:
        return name in self._local.collections or name in self._local.aliases

    def change_aliases(self, actions: Sequence[models.AliasOperations]) -> bool:
        """Do one action after the other; those before a refused one stay done, as on the server."""
        for action in actions:
            if isinstance(action, models.CreateAliasOperation):
                made = action.create_alias
                # The emulation takes an alias for a collection here, and a collection's name for an alias.
                if made.collection_name not in self._local.collections:
                    raise _unknown(made.collection_name)
                if made.alias_name in self._local.collections:
                    raise RefusedError(409, f"Wrong input: Collection `{made.alias_name}` already exists!")
            elif isinstance(action, models.RenameAliasOperation):
                renamed = action.rename_alias.old_alias_name
                if renamed not in self._local.aliases:
                    raise RefusedError(404, f"Not found: Alias {renamed} does not exists!")
            self._local.update_collection_aliases([action])
        return True

    def aliases(self, name: str | None = None) -> models.CollectionsAliasesResponse:
        return self._local.get_aliases() if name is None else self._local.get_collection_aliases(name)

    def create_index(self, name: str, index: models.CreateFieldIndex) -> models.UpdateResult:
        schema = index.field_schema or models.PayloadSchemaType.KEYWORD
        plain = isinstance(schema, models.PayloadSchemaType)
        self._schemas[self._named(name)][index.field_name] = models.PayloadIndexInfo(
            data_type=schema if plain else models.PayloadSchemaType(str(schema.type.value)),
            params=None if plain else schema,
            points=0,
        )
        return self._done()

    def delete_index(self, name: str, field: str) -> models.UpdateResult:
        self._schemas[self._named(name)].pop(field, None)
        return self._done()

    def _named(self, name: str) -> str:
        """Resolve an alias; raises RefusedError where there is no such collection."""
        name = self._local.aliases.get(name, name)
        if name not in self._local.collections:
            raise _unknown(name)
        return name

    def _collection(self, name: str) -> LocalCollection:
        return self._local.collections[self._named(name)]

    def _done(self) -> models.UpdateResult:
        self._operations += 1
        return models.UpdateResult(operation_id=self._operations, status=models.UpdateStatus.COMPLETED)


def _set(diff: Any) -> dict[str, Any]:
    return {key: value for key, value in diff if value is not None}


def _overlay(config: models.CreateCollection, part: str, diff: Any) -> None:
    before = getattr(config, part)
    if diff is not None:
        setattr(config, part, diff if before is None else before.model_copy(update=_set(diff)))


def _refusal(text: str) -> RefusedError:
    """Find the server's status for what the emulation says; it has one of its own for limits out of range."""
    if "Must be" in text:
        return RefusedError(422, f"Validation error in JSON body: {text}")
    if text.startswith("Point ") and text.endswith("is not found in the collection"):
        return RefusedError(404, f"Not found: {text}")
    return RefusedError(400, f"Wrong input: {text.removeprefix('Wrong input: ')}")


def _unknown(name: str) -> RefusedError:
    return RefusedError(404, f"Not found: Collection `{name}` doesn't exist!")
