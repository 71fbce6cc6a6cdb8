"""The codes of `connector doctor`, by which programs know its checks."""

from __future__ import annotations

import ast
import re

from lab.instance import PROJECT


def test_the_document_has_every_code_and_no_other() -> None:
    """docs/monitoring.md lists them: a code that is renamed would silence somebody's alarm."""
    tree = ast.parse((PROJECT / "connector" / "service" / "doctor.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    of_checks = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id in ("Check", "_port")]
    names = {node.args[0].value for node in of_checks if isinstance(node.args[0], ast.Constant)}
    codes = {str(name).lower().replace(" ", "_") for name in names}
    rows = re.findall(r"^\| (`.*?) \|", (PROJECT / "docs" / "monitoring.md").read_text(), re.MULTILINE)
    assert codes == {code for row in rows for code in re.findall(r"`(\w+)`", row)}
