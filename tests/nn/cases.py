"""The table of layers: one row feeds every check in test_layers.py."""

from tests.nn import (
    cases_activations,
    cases_affine,
    cases_attention,
    cases_basic,
    cases_norms,
    cases_recurrent,
    cases_shapes,
)

TABLES = (cases_basic, cases_activations, cases_affine, cases_attention, cases_norms, cases_recurrent, cases_shapes)
CASES = {name: case for table in TABLES for name, case in table.CASES.items()}
assert len(CASES) == sum(len(table.CASES) for table in TABLES), "two rows have one name"
