"""Does a use count that takes the same way as a user's? Posts uses to the application's API and watches the counter.
Writes nothing itself; what the API records stays."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from usagefix import doctor
from usagefix.api import Api, judged
from usagefix.api.post import Answer, post, prepare
from usagefix.database import Database
from usagefix.errors import CannotConnect, DatabaseRefused, RowNotFound, UsagefixError
from usagefix.guard import guard
from usagefix.models.choices import POST_SECONDS, USAGE_TYPE
from usagefix.models.diagnosis import Finding
from usagefix.models.figures import plural
from usagefix.models.probe import Post, PostOutcome, Probed, ProbeReport
from usagefix.models.verification import RowCount
from usagefix.notices import notices, notified
from usagefix.preset import check_preset

GRACE = 1.0  # seconds for an answer that comes byte by byte, so that no single wait is too long
_KNOWN, _NEWEST = 2_000, 500  # ids looked at before and after: more before, in case that some are deleted meanwhile

_NOT_RECORDED = ("daily_limit",)
_NOT_COUNTED = ("use_not_counted", "trigger_disabled", "counts_some", "counting_blocked")
_COUNTED_TWICE = ("counted_twice", "competing_writer", "counter_writer", "increment_not_called")
# After these an event may be there, or have been turned away by the database.
_REACHED = (PostOutcome.ACCEPTED, PostOutcome.ERROR_INSIDE, PostOutcome.SERVER_ERROR, PostOutcome.UNEXPECTED)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the counter is watched, in seconds: between two looks, until what came is taken to be all, at most."""

    interval: float = 0.15
    settled: float = 0.5
    longest: float = 5.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """The columns of ``probe.sql``, or by how much they moved."""

    displayed: int | None
    events: int
    ours: int

    @property
    def counter(self) -> int:
        return self.displayed or 0

    def since(self, before: _Seen) -> _Seen:
        return _Seen(self.counter - before.counter, self.events - before.events, self.ours - before.ours)


@dataclass(frozen=True, slots=True)
class _Watch:
    """Looks at one preset. ``told``: whether events keep the data that tells ours from others'."""

    db: Database
    preset: RowCount
    usage_type: str

    @property
    def told(self) -> bool:
        return self.db.counter.data is not None

    def look(self) -> _Seen:
        """The counter and the events in one snapshot. Raises RowNotFound if the preset is gone."""
        with self.db.snapshot():
            return self._counts()

    def first(self) -> tuple[_Seen, frozenset[str]]:
        """The same, with the ids that are known before anything is posted."""
        with self.db.snapshot():
            return self._counts(), frozenset(self._ids(_KNOWN))

    def last(self, known: frozenset[str]) -> tuple[_Seen, RowCount, tuple[str, ...]]:
        """The same in the end, with the preset as it is now, and the ids that came."""
        with self.db.snapshot():
            counts = self._counts()
            found = self.db.rows(self.db.query("one_preset"), RowCount, {"wanted": self.preset.id})
            came = tuple(event for event in reversed(self._ids(_NEWEST)) if event not in known)
            return counts, next(preset for preset in found if preset.id == self.preset.id), came

    def _counts(self) -> _Seen:
        params = {"preset_id": self.preset.id, "usage_type": self.usage_type}
        found = self.db.rows(self.db.query("probe"), _Seen, params)
        if not found:
            raise RowNotFound(f"the preset {self.preset.id} is gone", hint="it was deleted meanwhile; take another")
        return found[0]

    def _ids(self, newest: int) -> list[str]:
        if self.db.counter.event_id is None:
            return []
        params = {"preset_id": self.preset.id, "usage_type": self.usage_type, "told": self.told, "newest": newest}
        return self.db.values(self.db.query("probe_events"), params)


def probe(
    db: Database,
    api: Api,
    wanted: str,
    *,
    usage_type: str = USAGE_TYPE,
    count: int = 1,
    timeout: float = POST_SECONDS,
    patience: Patience | None = None,
    on_step: Callable[[str], None] = lambda _message: None,
) -> ProbeReport:
    """Post ``count`` uses of the preset with an id or exact name at once; tell whether each counted exactly once.

    ``timeout``: seconds for each post. Raises RowNotFound before anything is posted, CannotConnect if no post
    reached the API.
    """
    preset = check_preset(db, wanted).row
    watch = _Watch(db, preset, usage_type)
    url = api.usage_url(preset.id)
    if api.plain:
        on_step(f"warning: the token goes unencrypted to {api.host}; https would protect it")
    with db.snapshot():
        there = notices(db)
    for line in there.ahead:
        on_step(line)
    before, known = watch.first()
    uses = f"{plural(count, 'use')} {'was' if count == 1 else 'were'}"
    db.changes.append(f"{uses} posted to the API, which may have recorded {'it' if count == 1 else 'them'}")
    body = json.dumps({"usageType": usage_type, "usageData": {"test": True}}).encode()
    try:
        posts = _post_all(lambda: judged(post(url, api.token, body, timeout), url, api.token), count, timeout)
    except CannotConnect:
        db.changes.pop()
        raise
    due = sum(answered.accepted or answered.unanswered for answered in posts)
    _wait(watch, before, due, patience or Patience())
    now, shown, came = watch.last(known)
    moved, ours = now.since(before), (now.ours - before.ours) if watch.told else None
    verdict = _verdict(posts, moved, ours)
    why, state = _explained(db, verdict, posts, moved, ours)
    return ProbeReport(
        preset=shown, url=url, usage_type=usage_type, posts=posts, expected=count, counted=moved.counter,
        recorded=moved.events, ours=ours, verdict=verdict, why=why, guard=state, events=came,
        dated=db.counter.keeps_last_use, notified=notified(db, there, preset.id),
    )  # fmt: skip


def ahead(db: Database, api: Api, wanted: str, count: int = 1) -> tuple[str, ...]:
    """What :func:`probe` is going to do, a sentence a line, and whom that may notify. Raises RowNotFound."""
    preset = check_preset(db, wanted).row
    with db.snapshot():
        there = notices(db)
    posts = f"{plural(count, 'use')} of {preset.called} will be posted to {api.usage_url(preset.id)}"
    return (posts, *there.ahead)


def _post_all(send: Callable[[], Post], count: int, timeout: float) -> tuple[Post, ...]:
    """Call ``send`` so many times at once. Raises CannotConnect if no call reached the API. It does not wait for a
    late thread: its answer may come byte by byte for ever, and nobody can end a thread."""
    prepare()
    together, done = threading.Barrier(count + 1), SimpleQueue[Post | Exception]()

    def work() -> None:
        together.wait()
        try:
            done.put(send())
        except Exception as failure:
            done.put(failure)

    for _ in range(count):
        threading.Thread(target=work, daemon=True).start()
    together.wait()
    results = list(_in_time(done, count, time.monotonic() + timeout + GRACE))
    failures = [result for result in results if isinstance(result, Exception)]
    for failure in failures:
        if not isinstance(failure, CannotConnect) or len(failures) == count:
            raise failure
    late = judged(Answer(None, b"", "", timeout, timed_out=True), "", "-")
    posts = [_unconnected(result) if isinstance(result, Exception) else result for result in results]
    return (*posts, *(late for _ in range(count - len(posts))))


def _in_time(done: SimpleQueue[Post | Exception], count: int, deadline: float) -> Sequence[Post | Exception]:
    results: list[Post | Exception] = []
    while len(results) < count:
        try:
            results.append(done.get(timeout=max(deadline - time.monotonic(), 0.001)))
        except Empty:
            break
    return results


def _unconnected(failure: Exception) -> Post:
    assert isinstance(failure, UsagefixError)  # noqa: S101
    return Post(PostOutcome.NOT_CONNECTED, None, 0.0, failure.message, failure.hint)


def _wait(watch: _Watch, before: _Seen, due: int, patience: Patience) -> None:
    """Watch until ``due`` uses have arrived and nothing has moved any more: an API may commit after it answers.

    Where ours can be told, others may go on using the preset: only the distance of counter and events matters then.
    """
    deadline = time.monotonic() + patience.longest
    before_that, since = None, 0.0
    while (now := time.monotonic()) < deadline:
        moved = watch.look().since(before)
        apart = moved.counter - moved.events
        state = (moved.ours, apart) if watch.told else (moved.events, moved.counter)
        arrived = moved.ours >= due and apart >= 0 if watch.told else min(moved.events, moved.counter) >= due
        if state != before_that:
            before_that, since = state, now
        if arrived and now - since >= patience.settled:
            return
        time.sleep(patience.interval)


def _verdict(posts: Sequence[Post], moved: _Seen, ours: int | None) -> Probed:
    expected = len(posts)
    # None of ours among enough others: either these are ours after all, or the API keeps no usageData.
    told = ours is not None and (ours > 0 or moved.events < expected)
    recorded = ours if ours is not None and told else moved.events
    if not all(post.accepted for post in posts):
        return Probed.REFUSED
    if recorded < expected:
        return Probed.NOT_RECORDED
    if moved.counter != moved.events:
        return Probed.COUNTED_TWICE if moved.counter > moved.events else Probed.NOT_COUNTED
    if recorded > expected:
        return Probed.RECORDED_TWICE if told else Probed.UNCLEAR
    return Probed.UNCLEAR if ours == 0 else Probed.COUNTED


def _explained(
    db: Database, verdict: Probed, posts: Sequence[Post], moved: _Seen, ours: int | None
) -> tuple[tuple[Finding, ...], str]:
    """What in the catalog explains the result and, if something else counts besides the trigger, the guard's state."""
    rules: list[str] = []
    if (moved.events if ours is None else ours) < sum(post.outcome in _REACHED for post in posts):
        rules += _NOT_RECORDED
    if moved.counter < moved.events:
        rules += _NOT_COUNTED
    if moved.counter > moved.events:
        rules += _COUNTED_TWICE
    if verdict is Probed.COUNTED or not rules:
        return (), ""
    try:
        return doctor.explain(db, rules), _guard(db) if moved.counter > moved.events else ""
    except DatabaseRefused:  # what was seen counts for more than why
        return (), ""


def _guard(db: Database) -> str:
    try:
        refuses = "it refuses what is not the trigger's own count, but for usagefix.bypass_guard"
        return f"the guard is on, mode {guard(db).mode}: {refuses}"
    except UsagefixError as error:
        return error.message
