"""The encoder of a run and what it is, as the pipeline sees it."""

import msgspec

from retrieval.encoder import DocumentEncoder
from retrieval.manifest import ModelIdentity


class Model(msgspec.Struct, frozen=True):
    """An encoder, the identity it must match, and how many word pieces of a text it reads."""

    encoder: DocumentEncoder
    identity: ModelIdentity
    max_pieces: int
