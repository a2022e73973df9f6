"""Benchmarks, which nothing runs but people: what they import is there, and their reports say where they come from."""

import ast
import importlib
import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.fixture(scope="module")
def reports():
    specification = importlib.util.spec_from_file_location("reports", ROOT / "benchmarks" / "reports.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_what_a_benchmark_imports_is_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.startswith(("splatcodec", "splatkernels", "tests")):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name) or importlib.util.find_spec(f"{node.module}.{alias.name}")
        if isinstance(node, ast.ImportFrom) and node.module.startswith("tests"):
            assert "pytest" not in Path(module.__file__).read_text()


def test_reports_say_where_they_come_from(reports, tmp_path, monkeypatch):
    answers = {"rev-parse": "0123456789ab", "status": ""}
    monkeypatch.setattr(reports, "git", lambda command, *_: answers[command])
    about = reports.about(1, "pillow")
    assert about["commit"] == "0123456789ab"
    assert about["machine"].endswith(", one thread")
    assert {"python", "splatcodec", "numpy", "numba", "pillow"} == set(about["versions"])
    answers["status"] = " M splatcodec/files.py"
    assert reports.about(2)["commit"] == "0123456789ab-dirty"
    reports.write(tmp_path / "a.json", about, [{"x": 1}], effort=3)
    assert json.loads((tmp_path / "a.json").read_text()) == {**about, "effort": 3, "rows": [{"x": 1}]}
