"""The encoder of a run and what it is, as the pipeline sees it."""

import msgspec

from retrieval.encoder import DocumentEncoder
from retrieval.manifest import ModelIdentity


class Model(msgspec.Struct, frozen=True):
    """An encoder, the identity it must match, and how many word pieces of a text it reads.

    `variant` names what else decides an embedding: the exported files, the device. `keeping` is the same
    encoder where what it embeds is kept from run to run.
    """

    encoder: DocumentEncoder
    identity: ModelIdentity
    max_pieces: int
    variant: tuple[str, ...] = ()
    keeping: DocumentEncoder | None = None

    @property
    def catalogue_encoder(self) -> DocumentEncoder:
        """What embeds a catalogue's texts. What a new version is verified with is `encoder`: nothing kept."""
        return self.keeping or self.encoder
