"""Many pictures: coders that travel to other processes, runs over files that resume, and shards."""

from .coders import Decoder, Encoder
from .run import Failure, Task, run
from .shards import Recipe, encode_shard

__all__ = ["Decoder", "Encoder", "Failure", "Recipe", "Task", "encode_shard", "run"]
