"""What `varve rebuild` removes of the store: the directory where the generation is alone in it, else its database alone."""

import fcntl
from pathlib import Path

import pytest

from sink.removal import carry_out_removal, plan_removal
from sink.store import Store
from varve.errors import Conflict
from varve.settings import LogSettings, Settings


def filled(settings: Settings) -> None:
    store = Store.open(settings)
    store.migrate()
    store.close()


def settings_of(path: Path, prefix: str = "varve") -> Settings:
    return Settings(data=path, log=LogSettings(prefix=prefix))


def databases(path: Path) -> set[str]:
    return {entry.stem for entry in (path / "store" / "metadata").glob("*.sql")}


def test_a_directory_that_holds_one_generation_goes_whole(tmp_path: Path) -> None:
    filled(settings_of(tmp_path))
    removal = plan_removal(settings_of(tmp_path), 1)
    carry_out_removal(settings_of(tmp_path), 1, removal)
    assert not (tmp_path / "store").exists()
    carry_out_removal(settings_of(tmp_path), 1, removal)  # again, as after a kill
    assert "no store yet" in plan_removal(settings_of(tmp_path), 1).words


def test_another_logs_tables_in_the_same_directory_stay(tmp_path: Path) -> None:
    filled(settings_of(tmp_path))
    filled(settings_of(tmp_path, "other"))
    removal = plan_removal(settings_of(tmp_path), 1)
    assert "the database varve_1" in removal.words
    carry_out_removal(settings_of(tmp_path), 1, removal)
    assert databases(tmp_path) == {"other_1"}


def test_a_store_on_another_disk_behind_a_link_keeps_its_directory(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "store").symlink_to(tmp_path / "disk")
    filled(settings_of(tmp_path / "data"))
    carry_out_removal(settings_of(tmp_path / "data"), 1, plan_removal(settings_of(tmp_path / "data"), 1))
    assert (tmp_path / "disk").is_dir() and (tmp_path / "data" / "store").is_symlink()
    assert databases(tmp_path / "data") == set()


def test_a_directory_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.tex").write_text("mine")
    with pytest.raises(Conflict, match=r"thesis\.tex"):
        plan_removal(settings_of(tmp_path), 1)


def test_a_store_that_another_process_holds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with (tmp_path / "store" / "status").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="held by another process"):
            plan_removal(settings_of(tmp_path), 1)
