"""Counters of many shapes, the whole way there and back while people write: drift 0 in every snapshot, nothing lost, and
after rollback the schema is what it was, byte for byte."""

from __future__ import annotations

import pytest
from shapes import SHAPES, WRITTEN, Shape, writing
from support import App, wait_until


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_shape_is_wrong_before(empty: App, shape: Shape) -> None:
    shape.load(empty)
    wrong = shape.wrong(empty)
    assert len(wrong) == shape.counters
    assert all(wrong.values()), wrong


@pytest.mark.parametrize("shape", WRITTEN, ids=str)
def test_a_right_definition_is_not_doubted(empty: App, shape: Shape) -> None:
    """A tenth to two fifths of the rows are wrong."""
    shape.load(empty)
    tried = empty.usagefix("--config", str(shape.declaration), "apply", "--dry-run")
    assert tried.code == 0, tried.stderr + tried.stdout


@pytest.mark.parametrize("shape", WRITTEN, ids=str)
def test_there_and_back_under_load(empty: App, shape: Shape) -> None:
    shape.load(empty)
    before = empty.dump()
    config = ("--config", str(shape.declaration))
    with writing(empty, shape) as writers:
        writers.progress()
        found = empty.usagefix(*config, "verify", "--format", "json")
        assert found.code == 1
        assert len(found.json["counters"]) == shape.counters
        # What nobody counted yet may be much by now, so it would ask.
        applied = empty.until_free(*config, "apply", "--batch-size", "7", "--trust", "events")
        assert applied.code == 0, applied.stderr + applied.stdout
        for _ in range(10):
            writers.progress(10)
            assert not any(shape.wrong(empty).values()), shape.wrong(empty)
        verified = empty.until_free(*config, "verify")
        assert verified.code == 0, verified.stdout + verified.stderr
        again = empty.until_free(*config, "apply")
        assert again.code == 0, again.stderr
        assert not any(shape.wrong(empty).values())
        back = empty.until_free(*config, "rollback", "--yes")
        assert back.code == 0, back.stderr + back.stdout
        writers.progress(10)
    assert writers.failures == []
    assert empty.dump() == before


def test_uncounted_writes_are_caught(empty: App) -> None:
    """What the test above asserts fails where one kind of write is not counted."""
    shape = next(shape for shape in WRITTEN if shape.name == "reactions")
    shape.load(empty)
    assert empty.usagefix("--config", str(shape.declaration), "apply").code == 0
    empty.sql("ALTER TABLE post_reactions DISABLE TRIGGER trigger_auto_adjust_post_likes_count_update")
    with writing(empty, shape) as writers:
        wait_until(lambda: shape.wrong(empty)["post_likes_count"] > 0)
    assert writers.failures == []
    wrong = shape.wrong(empty)
    assert wrong["post_dislikes_count"] == 0


def test_a_repair_reaches_what_adds_it_up(empty: App) -> None:
    """Also while the application's own triggers are held off."""
    shape = next(shape for shape in WRITTEN if shape.name == "chain")
    shape.load(empty)
    config = ("--config", str(shape.declaration))
    assert empty.usagefix(*config, "apply").code == 0
    empty.sql("CREATE TABLE touched (post bigint)")
    empty.sql(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO touched VALUES (NEW.id);"
        " RETURN NEW; END $$; CREATE TRIGGER touch BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION touch()"
    )
    empty.spoil("UPDATE posts SET comments_count = comments_count + 1 WHERE id % 4 = 0")
    assert set(shape.wrong(empty).values()) == {10, 2, 0}
    empty.sql("TRUNCATE touched")
    filled = empty.usagefix(*config, "backfill", "--counter", "post_comments_count")
    assert filled.code == 0, filled.stderr
    assert not any(shape.wrong(empty).values()), shape.wrong(empty)
    assert empty.one("SELECT count(*) FROM touched") == 0


def test_a_row_that_is_to_be_made_lacks_its_events(empty: App) -> None:
    shape = next(shape for shape in WRITTEN if shape.name == "statistics")
    shape.load(empty)
    config = ("--config", str(shape.declaration))
    assert empty.usagefix(*config, "apply").code == 0
    empty.sql("DELETE FROM user_stats WHERE user_id = 7")
    found = empty.usagefix(*config, "verify", "--format", "json")
    assert found.code == 1
    assert [check["check_id"] for check in found.one["checks"] if check["status"] == "failed"] == ["counters_accurate"]
    assert empty.usagefix(*config, "backfill").code == 0
    assert not any(shape.wrong(empty).values())
    assert empty.usagefix(*config, "verify").code == 0
