"""The state that the services share."""

from __future__ import annotations

from dataclasses import dataclass, field

from pubsublite_emulator.catalog import Catalog
from pubsublite_emulator.exporter import Exporter
from pubsublite_emulator.operations import Operations
from pubsublite_emulator.readers import Readers
from pubsublite_emulator.seeks import Seeks
from pubsublite_emulator.storage import Storage


@dataclass(slots=True)
class State:
    """One emulated project; ``pubsub_host`` is where export subscriptions deliver, if anywhere."""

    storage: Storage
    any_retention: bool = False
    pubsub_host: str = ""
    catalog: Catalog = field(init=False)
    readers: Readers = field(init=False)
    operations: Operations = field(init=False)
    seeks: Seeks = field(init=False)
    exporter: Exporter = field(init=False)

    def __post_init__(self) -> None:
        self.catalog = Catalog(self.storage)
        self.readers = Readers()
        self.operations = Operations()
        self.seeks = Seeks(self.storage, self.readers, self.operations)
        self.exporter = Exporter(self.pubsub_host, self.storage, self.catalog, self.readers, self.seeks)
