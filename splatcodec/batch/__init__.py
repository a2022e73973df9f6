"""Many pictures: coders that travel to other processes, and runs over files that resume."""

from .coders import Decoder, Encoder
from .run import Failure, Task, run

__all__ = ["Decoder", "Encoder", "Failure", "Task", "run"]
