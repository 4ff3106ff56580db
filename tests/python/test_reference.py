"""Stubs and the operators' page, which are derived from the table of operators."""

import ast

import kiln as kn
from calls import OPERATORS
from kiln import _core, reference
from tests.package import ROOT


def test_stub_has_every_operator_with_its_parameters():
    tree = ast.parse(reference.operators_stub())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert functions.keys() == _core.operators.keys()
    for name, op in _core.operators.items():
        assert [a.arg for a in functions[name].args.args] == [p["name"] for p in op.parameters]
        assert ast.get_docstring(functions[name])


def test_core_stub_names_what_is_there():
    tree = ast.parse(reference.core_stub())
    tensor = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Tensor")
    named = {n.name for n in tensor.body if isinstance(n, ast.FunctionDef)} | {
        n.target.id for n in tensor.body if isinstance(n, ast.AnnAssign)
    }
    assert all(hasattr(kn.Tensor, name) for name in named), [n for n in named if not hasattr(kn.Tensor, n)]
    for name, op in _core.operators.items():
        assert not op.is_method or name in named


def test_document_has_the_table_of_onnx_equivalents():
    text = (ROOT / "docs" / "onnx.md").read_text()
    assert f"<!-- equivalents -->\n{reference.onnx_table()}<!-- end of equivalents -->\n" in text, "python -m kiln.reference onnx writes it"


def test_page_has_every_operator():
    text = reference.page()
    for name, op in OPERATORS.items():
        assert f"\n## {name}\n" in text and op.summary in text
