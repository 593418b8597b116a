"""Where the counter is an attribute that is assigned, or goes through a setter."""

from __future__ import annotations

from usagefix.reading.columns import Columns
from usagefix.reading.findings import EVENTS, PRESETS, Use
from usagefix.reading.names import plain
from usagefix.reading.stream import MEMBER

_STEPS = {"+=", "-=", "++", "--"}
_FIELDS = {"java", "c#", "groovy", "scala"}  # in a class, a plain name may be its attribute
_WIDEST = 40


class Attributes(Columns):
    """What is set by an assignment."""

    def _counter(self, index: int) -> None:
        """A mention of the counter: set as an attribute, or as a key on its way into an update."""
        before, after = self._at(index - 1), self._at(index + 1)
        indexes = self._kind(index - 2) == "name" or self._at(index - 2) in (")", "]")
        if before in MEMBER or (before == "[" and after == "]" and indexes):
            self._attribute(index, attribute=before in MEMBER)
        elif before == ":" and self._at(index - 2) == "counter_cache":
            if self._class[0] == EVENTS:
                self._hit(Use.WRITES_COUNTER, index)
        elif self._kind(index) == "name" and (after in _STEPS or before in ("++", "--")):
            if self._language.name in _FIELDS and self._class[0] == PRESETS and not self._is_local(index):
                self._hit(Use.WRITES_COUNTER, index)
        elif after in MEMBER and self._at(index + 2) == "eq" and self._is_set_by(index):
            self._hit(Use.WRITES_COUNTER, index)  # diesel's
        elif use := self._is_set(index, self._around[index], before, after):
            self._write(use, index)

    def _attribute(self, index: int, *, attribute: bool) -> None:
        """``preset.usage_count += 1``, ``it[usageCount] = …``, and a column that a call is given first."""
        after = self._at(index + 1 if attribute else index + 2)
        of, assigns = self._about.get(index - 2), after in ("=", *_STEPS)
        if after in (",", ".") and attribute and self._is_set_by(index):
            self._hit(Use.WRITES_COUNTER, index)
        elif (after == "]" and attribute) or (not attribute and self._at(index - 2) == "it"):
            self._in_block(index, index + 2)
        elif not assigns:
            return
        elif attribute and self._stores(index, after) and of and of.table == PRESETS:
            self._write(Use.WRITES_COUNTER, index)
        elif self._kind(index - 2) == "name":
            self._objects.setdefault(self._at(index - 2), []).append(index)

    def _stores(self, index: int, after: str) -> bool:
        """Whether a mapper of objects stores what is assigned here. What is read from a row and put into an object is
        no change, so it must add to what was there; Python and Ruby read rows otherwise."""
        if not self._language.tracks:
            return False
        own = self._at(index - 2) in ("self", "this")
        if after in _STEPS or (self._language.name in ("python", "ruby") and not own):
            return True
        end = self._end_of_value(index + 2)
        return any(self._is_counter(at) for at in range(index + 2, end) if not self._starts_line(at))

    def _in_block(self, index: int, assigned: int) -> None:
        """Kotlin's ``Presets.update({ … }) { it[usageCount] = … }``."""
        if self._at(index + 1) == "]" and self._at(assigned) == "=":
            bracket = self._around[index]
            block = self._around[bracket] if bracket >= 0 else -1
            of = self._about.get(block - 1) if block > 0 and self._at(bracket - 1) == "it" else None
            if of and of.table == PRESETS and of.action == "update":
                self._hit(Use.WRITES_COUNTER, index)

    def _is_set_by(self, index: int) -> bool:
        """Whether the calls around a column set it, as its first argument says."""
        opener = self._around[index]
        for _ in range(3):
            if opener < 0 or self._at(opener) != "(":
                return False
            if plain(self._at(self._callee(opener))) != "where" and self._sets(opener):
                return True
            opener = self._around[opener]
        return False

    def _is_local(self, index: int) -> bool:
        """Whether a plain name is declared in the blocks around it, those of the class itself left out."""
        blocks: list[int] = []
        block = self._around[index]
        while block > self._class[1] and len(blocks) < _WIDEST:
            blocks.append(block)
            block = self._around[block]
        start = blocks[-2] if len(blocks) > 1 else index
        return any(
            self._is_counter(at) and self._kind(at - 1) == "name" for at in range(max(start, index - 400), index)
        )

    def _setter(self, index: int) -> None:
        """Java's ``preset.setUsageCount(preset.getUsageCount() + 1)``."""
        name = plain(self._tokens[index].text)
        if not name.startswith("set") or name[3:] != self._names.counter or self._at(index + 1) != "(":
            return
        of = self._about.get(index)
        end = min(self._closer.get(index + 1, index), index + _WIDEST)
        given = {self._at(at) for at in range(index + 2, end)}
        own = any(plain(text) in (self._names.counter, f"get{self._names.counter}") for text in given)
        if of and of.table == PRESETS and own and given & {"+", "-"} and self._at(index - 1) in MEMBER:
            self._hit(Use.WRITES_COUNTER, index)

    def _cached(self, index: int) -> None:
        """Rails' ``counter_cache: true`` and the gem counter_culture in the class of the events; the column is named,
        or is the plural of the class with _count."""
        name = self._tokens[index].text
        if self._language.name != "ruby" or self._class[0] != EVENTS:
            return
        usual = self._names.counter == f"{plain(self._names.subject.child)}count"
        if name == "counter_culture":
            said = self._statement(index)
            named = [at for at in said if self._is_counter(at)]
            if named:
                self._hit(Use.WRITES_COUNTER, named[0])
            elif usual and not any(self._at(at) == "column_name" for at in said) and self._is_of_parent(index + 1):
                self._hit(Use.WRITES_COUNTER, index)
        elif usual and name == "counter_cache" and self._at(index + 2) == "true":
            before = range(index - 1, max(index - _WIDEST, -1), -1)
            of = next((at for at in before if self._at(at) == "belongs_to"), -1)
            if of >= 0 and self._is_of_parent(of + 1):
                self._hit(Use.WRITES_COUNTER, index)

    def _is_of_parent(self, index: int) -> bool:
        """Whether an association is that to the parent: its first name in the text."""
        return self._names.table(self._tokens[index].text) == PRESETS if index < len(self._tokens) else False

    def _statement(self, index: int) -> range:
        """The rest of a statement of Ruby: what follows a comma, or is in a bracket, goes on in the next line."""
        end = index + 1
        while end < len(self._tokens) and end < index + _WIDEST:
            goes_on = self._at(end - 1) == "," or self._around[end] > self._around[index]
            if self._starts_line(end) and not goes_on:
                break
            end += 1
        return range(index + 1, end)

    def _recounted(self, opener: int, callee: int) -> None:
        """Rails' ``Post.reset_counters(id, :likes)``."""
        inside = range(opener + 1, self._closer.get(opener, opener))
        if any(self._kind(at) == "text" and self._names.table(self._tokens[at].text) == EVENTS for at in inside):
            self._hit(Use.WRITES_COUNTER, callee)

    def _written_out(self, index: int, text: str) -> None:
        """Rails' ``update_all('usage_count = usage_count + 1')``."""
        opener = self._around[index]
        if opener > 0 and opener == index - 1 and self._at(opener) == "[":
            opener -= 1
        sets = opener >= 0 and self._at(opener) == "(" and opener >= index - 2 and self._sets(opener)
        if sets and plain(self._at(self._callee(opener))) in ("updateall", "set"):
            for part in text.split(","):
                column, equals, _ = part.partition("=")
                if equals and self._names.is_counter(column.strip().strip('"').rpartition(".")[2]):
                    self._hit(Use.WRITES_COUNTER, index)
                    return
