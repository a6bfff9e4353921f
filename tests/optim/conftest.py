"""What tests with tasks share."""

import pytest


@pytest.fixture(scope="module")
def by_value(request):
    """Executors cannot import a test's file: its classes travel by value, as those of a notebook do."""
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(request.module)
    yield
    cloudpickle.unregister_pickle_by_value(request.module)
