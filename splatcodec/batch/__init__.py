"""Many pictures: coders that travel to other processes, runs over files that resume, and shards."""

from .coders import Decoder, Encoder
from .run import Failure, Task, run
from .shards import encode_shard
from .sidecar import Recipe

__all__ = ["Decoder", "Encoder", "Failure", "Recipe", "Task", "encode_shard", "run"]
