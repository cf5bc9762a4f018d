"""The names in stored files stay those of version 0.6.0, whatever the code calls the fields."""

from msgspec.structs import fields

from entro_cli.history.remote_copy import _Commit
from entro_cli.history.state import LogState, PackedSamples, SeriesState, StageState, State

NAMES = {
    State: "version step_ns origin_ns step_is_known stages logs",
    StageState: "kind full",
    LogState: "path place head head_bytes offset tail options format header seen series rows_read rows_skipped "
    "problems zone edges unfinished pruned_ns carried carried_ends carry ends",
    SeriesState: "stage kind source interval_ns samples first last stands_in",
    PackedSamples: "stage times values kind measure begins",
    _Commit: "writer files gone",
}


def test_the_names_in_stored_files():
    for struct, names in NAMES.items():
        assert [field.encode_name for field in fields(struct)] == names.split(), struct.__name__
