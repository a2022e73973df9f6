"""The command `splatcodec`, or `python -m splatcodec`."""

import gc
import os
import signal
import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    # Modules that load make many objects and no garbage: looking for it every 700 of them takes a tenth of a decode.
    gc.set_threshold(100_000)
    _keep_standard_numbers()
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        # Ctrl-C while modules load would end in a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli.main import main as run

    signal.signal(signal.SIGINT, handler)
    code = run()
    if "loky" not in sys.modules:
        # Python would take apart what Numba has loaded, which takes as long as decoding does.
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)
    return code


def _keep_standard_numbers() -> None:
    """Let no file that is opened pass for a standard stream that is closed: libraries write their complaints there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken.
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    sys.exit(main())
