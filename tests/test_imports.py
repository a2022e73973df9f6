"""Who may import whom, as CONTRIBUTING says."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the lowest to the highest; a module may import from its own layer and from lower ones.
LAYERS = (
    ("splatkernels",),
    (
        "splatcodec.errors",
        "splatcodec.files",
        "splatcodec.limits",
        "splatcodec.metadata",
        "splatcodec.origin",
        "splatcodec.processes",
        "splatcodec.splats",
        "splatcodec.tars",
        "splatcodec.truth",
    ),
    ("splatcodec.container", "splatcodec.image", "splatcodec.fitting", "splatcodec.compress"),
    ("splatcodec.document", "splatcodec.diagnosis"),
    ("splatcodec.decoder", "splatcodec.metrics", "splatcodec.encoding", "splatcodec.options", "splatcodec.history"),
    ("splatcodec.interchange", "splatcodec.tensors"),
    ("splatcodec.batch", "splatcodec.rd", "splatcodec.plot", "splatcodec.web"),
    ("splatcodec.cli", "splatcodec.pil", "splatcodec.imageio", "splatcodec.mime", "splatcodec.__main__"),
)
MODULES = {
    ".".join(path.relative_to(root).with_suffix("").parts): path
    for root, package in ((ROOT, "splatcodec"), (ROOT / "kernels", "splatkernels"))
    for path in sorted((root / package).rglob("*.py"))
}


def layer(module: str) -> int:
    for number, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    raise AssertionError(f"{module} is in no layer")


def imported(module: str) -> set[str]:
    """Modules of the project that a module imports, at the top or where they are used."""
    package = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            parent = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            found |= {f"{parent}.{alias.name}" for alias in node.names}
    names = {name if name in MODULES else name.rpartition(".")[0] for name in found}
    return {name for name in names if name in MODULES or f"{name}.__init__" in MODULES}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "splatcodec.__init__"])
def test_imports_go_down(module):
    above = {name for name in imported(module) if name != "splatcodec" and layer(name) > layer(module)}
    assert not above


def test_imports_are_found():
    assert "splatcodec.compress.lattice" in imported("splatcodec.compress.quantizer")
    assert "splatcodec.cli.options" in imported("splatcodec.cli.encode")
    assert "splatkernels.gaussians" in imported("splatcodec.splats")


def test_what_fits_knows_nothing_of_bytes():
    for module in MODULES:
        if module.startswith("splatcodec.fitting"):
            assert not any(
                name.startswith(("splatcodec.compress", "splatcodec.container")) for name in imported(module)
            )
        if module.startswith("splatcodec.compress"):
            assert not any(name.startswith(("splatcodec.fitting", "splatcodec.image")) for name in imported(module))
