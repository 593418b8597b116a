"""What code is read for: the names of the counter, its events, and what has to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ANYTHING = "usagefix_anything"  # stands for a name that only a run would tell


@dataclass(frozen=True, slots=True)
class Subject:
    """The names, each as the server has it: folded to lower case unless it was quoted.

    ``foreign_key``, ``times``: columns of the child. ``alongside``: columns of the parent that a statement may set
    beside the counter and still does nothing but count. ``increment``: the function that adds one and nothing else.
    ``recorder``: the function that records a use. ``limit``: the daily limit, an index.
    """

    schema: str = "public"
    parent: str = "presets"
    counter: str = "usage_count"
    child: str = "preset_usage"
    foreign_key: str = "preset_id"
    times: tuple[str, ...] = ("created_at", "used_at")
    alongside: tuple[str, ...] = ("last_used_at", "updated_at")
    increment: str = "increment_preset_usage"
    recorder: str = "track_preset_usage"
    limit: str = "idx_preset_usage_daily_unique"

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
