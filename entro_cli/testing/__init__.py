"""The conformance kit for readers, for the tests of any package (CONTRIBUTING.md): `Example` and `ReaderTests`."""

import pytest

pytest.register_assert_rewrite("entro_cli.testing.logs", "entro_cli.testing.reader_tests")  # failures show values

from entro_cli.testing.logs import Example  # noqa: E402
from entro_cli.testing.reader_tests import ReaderTests  # noqa: E402

__all__ = ["Example", "ReaderTests"]
