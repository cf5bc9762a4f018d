"""The names in stored files stay the same, whatever the code calls the fields."""

from msgspec.structs import fields

from entro_cli.history.remote_copy import _Commit
from entro_cli.history.state import LearnedCapacity, LogState, PackedSamples, SeriesState, StageState, State
from entro_cli.readers.continuation import Checkpoint

NAMES = {
    State: "version step_ns origin_ns step_is_known stages logs learns learned rebuilt",
    LearnedCapacity: "value evidence is_guess mark",
    StageState: "kind full",
    LogState: "path place head head_bytes offset tail options format header seen series rows_read rows_skipped "
    "problems zone edges unfinished pruned_ns identity after checkpoint",
    SeriesState: "stage kind source interval_ns samples first last stands_in is_additive",
    PackedSamples: "stage times values kind measure begins idle waiting",
    _Commit: "writer files gone",
}


def test_the_names_in_stored_files():
    for struct, names in NAMES.items():
        assert [field.encode_name for field in fields(struct)] == names.split(), struct.__name__
    assert [field.name for field in fields(Checkpoint)] == ["format", "state", "unfinished", "ends", "text"]
