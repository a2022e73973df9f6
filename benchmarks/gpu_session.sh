#!/usr/bin/env bash
# All there is to find out on a machine with a CUDA device, in eight minutes: benchmarks/gpu_session.sh DIR
# Nothing needs to be installed but torch, Triton and NumPy, and nothing that fails keeps the rest from running.
set -uo pipefail
cd "$(dirname "$0")/.."
output=${1:?which directory to write to}
mkdir -p "$output"
export PYTHONPATH=kernels:.

# part NAME SECONDS COMMAND...: runs a command for at most so long, into DIR/NAME.log.
part() {
    local name=$1 seconds=$2
    shift 2
    timeout --kill-after=5 "$seconds" "$@" >"$output/$name.log" 2>&1
    echo "$name: exit status $?, last of $output/$name.log:"
    tail -n 3 "$output/$name.log"
}

part versions 40 python3 -c '
import sys, numpy, torch, triton
print(sys.version, numpy.__version__, torch.__version__, torch.version.cuda, triton.__version__)
print(torch.cuda.get_device_properties(0))
from splatkernels import gpu
print(gpu.rasterize(*(torch.ones(shape, device="cuda") for shape in ((1, 2), (1, 2), (1,), (1, 3))), gpu.Output(4, 4)))'
part tests 100 python3 -m pytest -q -o addopts= --noconftest -p no:cacheprovider tests/kernels/test_gpu_*.py
if command -v compute-sanitizer >/dev/null; then
    part memcheck 60 compute-sanitizer --tool memcheck python3 benchmarks/gpu.py --output "$output" --here 200@100x70
fi
part benchmark 280 python3 benchmarks/gpu.py --output "$output" --budget 270 --timeout 60
cat "$output/benchmark.log"
