"""The names for which usagefix reads code: the counter, its events, and what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from usagefix import quoting

ANYTHING = "usagefix_anything"  # stands for a name that only a run would tell


@dataclass(frozen=True, slots=True)
class Subject:
    """The names, each as the server has it: folded to lower case unless it was quoted.

    ``foreign_key``, ``event_id``, ``user``, ``kind``, ``data``, ``times``: columns of the child. ``alongside``: columns
    of the parent that a statement may set beside the counter and still does nothing but count. ``incrementer``: the
    function that adds one and nothing else. ``recorder``: the function that records a use. ``daily``: the daily limit,
    an index. ``key``: of the parent; ``creates``: its row is made with the first event, which is counting then.
    """

    schema: str = "public"
    parent: str = "presets"
    counter: str = "usage_count"
    child: str = "preset_usage"
    foreign_key: str = "preset_id"
    event_id: str = "id"
    user: str = "user_id"
    kind: str = "usage_type"
    data: str = "usage_data"
    times: tuple[str, ...] = ("created_at", "used_at")
    alongside: tuple[str, ...] = ("last_used_at", "updated_at")
    incrementer: str = "increment_preset_usage"
    recorder: str = "track_preset_usage"
    daily: str = "idx_preset_usage_daily_unique"
    key: str = "id"
    creates: bool = False

    def is_parent(self, name: Sequence[str]) -> bool:
        """Whether a name, in its parts, is the parent's: in our schema, or in none."""
        return self.is_ours(name, self.parent)

    def is_child(self, name: Sequence[str]) -> bool:
        """Whether a name, in its parts, is the child's."""
        return self.is_ours(name, self.child)

    def is_ours(self, name: Sequence[str], wanted: str) -> bool:
        """Whether a name, in its parts, is this one: another schema's thing of that name is not ours."""
        return bool(name) and name[-1] == wanted and (len(name) == 1 or name[-2] in (self.schema, ANYTHING))


USUAL = Subject()
_PLAIN = {name for names in astuple(USUAL)[:-1] for name in ((names,) if isinstance(names, str) else names)}


def quoted(name: str) -> str:
    """A name as SQL needs it: the usual ones plain, any other in double quotes."""
    return name if name in _PLAIN else quoting.quoted(name)
