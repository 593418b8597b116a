"""What doctor says of an application that has no presets, in its words; and one function of several counters."""

from __future__ import annotations

from pathlib import Path

from declared import COUNTERS, looking
from shapes import SHAPES
from support import App

from usagefix import apply
from usagefix.doctor import doctor
from usagefix.models.choices import DailyLimit
from usagefix.models.diagnosis import Finding
from usagefix.rollback import plan, rollback

REACTIONS = next(shape for shape in SHAPES if shape.name == "reactions")
LIKES, DISLIKES = COUNTERS["reactions"]
SEVERAL = """
CREATE FUNCTION on_reaction() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.kind = 'like' THEN
        UPDATE posts SET likes_count = likes_count + 1 WHERE id = NEW.post_id;
    ELSIF TG_OP = 'INSERT' AND NEW.kind = 'dislike' THEN
        UPDATE posts SET dislikes_count = COALESCE(dislikes_count, 0) + 1 WHERE id = NEW.post_id;
    ELSIF TG_OP = 'DELETE' AND OLD.kind = 'like' THEN
        UPDATE posts SET likes_count = GREATEST(likes_count - 1, 0) WHERE id = OLD.post_id;
    END IF;
    RETURN NULL;
END $f$;
CREATE TRIGGER on_reaction AFTER INSERT OR DELETE ON post_reactions FOR EACH ROW EXECUTE FUNCTION on_reaction();
CREATE FUNCTION recount() RETURNS void LANGUAGE sql AS $f$
    UPDATE posts SET likes_count = (SELECT count(*) FROM post_reactions WHERE post_id = posts.id AND kind = 'like')
$f$;
"""


def nothing(_: object) -> None:
    """Progress that nobody reads."""


def found(findings: tuple[Finding, ...]) -> dict[str, str]:
    return {finding.finding_id: f"{finding.title}: {finding.evidence}; {finding.remedy}" for finding in findings}


def test_findings_are_in_the_application_s_words(empty: App, tmp_path: Path) -> None:
    REACTIONS.load(empty)
    empty.sql(SEVERAL)
    (tmp_path / "post_reaction.rb").write_text(
        "class PostReaction < ApplicationRecord\n  belongs_to :post, counter_cache: :likes_count\nend\n"
    )
    (tmp_path / "nightly.py").write_text("post.likes_count = post.reactions.filter(kind='like').count()\npost.save()\n")
    with looking(empty, LIKES) as db:
        says = found(doctor(db, tmp_path).findings)
    assert says.keys() >= {
        "stops_at_zero",
        "counts_anew",
        "update_forgotten",
        "counter_writer",
        "source_writes",
        "drift",
    }
    assert "on_reaction()" in says["stops_at_zero"]
    assert "recount()" in says["counts_anew"]
    assert "nightly.py:1" in says["counts_anew"]
    assert "kind" in says["update_forgotten"]
    assert not {"daily_limit", "increment_not_called"} & says.keys()
    for finding_id, said in says.items():
        assert "preset" not in said, (finding_id, said)
        assert "usage_count" not in said, (finding_id, said)
    with looking(empty, DISLIKES) as db:
        others = found(doctor(db, tmp_path).findings)
    assert not {"stops_at_zero", "counts_anew"} & others.keys()


def test_one_function_of_several_counters(empty: App) -> None:
    REACTIONS.load(empty)
    empty.sql(SEVERAL)
    before = empty.dump()
    with looking(empty, LIKES) as db:
        done = apply.apply(db, batch_size=50, on_step=nothing, on_progress=nothing)
        assert done.after is not None
        assert [check.check_id for check in done.after.checks if check.failed] == []
        assert "keeps the rest of its work" in " ".join(done.remarks)
    body = empty.one("SELECT prosrc FROM pg_proc WHERE proname = 'on_reaction'")
    assert "likes_count" not in body.replace("dislikes_count", "")
    assert "SET dislikes_count = COALESCE(dislikes_count, 0) + 1" in body
    wrong = REACTIONS.wrong(empty)["post_dislikes_count"]
    empty.sql(
        "INSERT INTO post_reactions (post_id, user_id, kind) SELECT p, 99, k"
        " FROM generate_series(1, 40) p, unnest(ARRAY['like', 'dislike']) k"
    )
    assert REACTIONS.wrong(empty) == {"post_likes_count": 0, "post_dislikes_count": wrong}
    with looking(empty, LIKES) as db:
        rollback(db, plan(db, to=None, limit=DailyLimit.RESTORE), on_step=nothing)
    assert empty.dump() == before
