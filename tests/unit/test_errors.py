"""An error that is told otherwise is the same error."""

from varve.errors import BadRow, Incorrect, TooOften


def test_a_reworded_error_keeps_all_but_its_words() -> None:
    row = BadRow(3, "value", "is null")
    told = Incorrect("code", "before", (row,)).reworded("after")
    assert (type(told), told.code, told.message, str(told), told.rows) == (Incorrect, "code", "after", "after", (row,))
    later = TooOften("too-many", "before", 2.5).reworded("after")
    assert (later.message, later.seconds, later.status) == ("after", 2.5, 429)
