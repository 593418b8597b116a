"""The rules of what roles may do: put objects on a path, write the counter, dump the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from usagefix.doctor.case import Case
from usagefix.doctor.counting import ERROR, INFO, WARNING, Rule
from usagefix.doctor.relying import closed, revoked
from usagefix.doctor.words import listed
from usagefix.models.diagnosis import Finding
from usagefix.picture.objects import Creator, Function, Grant
from usagefix.quoting import shown

_SAFE = frozenset({"pg_catalog", "pg_temp"})  # pg_temp holds no functions or operators; for tables it has to be last


@dataclass(frozen=True, slots=True)
class _Run:
    """A function of the application that runs with more rights than its caller's, and where it looks for names."""

    function: Function
    role: str
    path: tuple[str, ...]
    when: str = ""
    now: bool = True

    @property
    def schemas(self) -> frozenset[str]:
        return frozenset(self.role if name == "$user" else name for name in self.path) - _SAFE

    def __str__(self) -> str:
        return f"{self.function.signature}, which runs as {self.role}{self.when}"


def path_open_to_others(case: Case) -> Iterator[Finding]:
    """Somebody may create what such a function calls instead of what it means."""
    runs = (*_definers(case), *_fired(case))
    there = set(case.picture.surroundings.schemas)
    for creator in case.picture.creators:
        led = [run for run in runs if run.role not in creator.acts_as]
        if creator.schema is None:
            yield from _not_there(creator, led, there)
        elif on_path := [run for run in led if creator.schema in run.schemas]:
            owner = shown(case.picture.presets.owner or "")
            yield Finding(
                "path_open_to_others",
                WARNING if creator.owner or not any(run.now for run in on_path) else ERROR,
                "Others may create what a function calls with its owner's rights",
                f"schema {creator.quoted}",
                f"{creator.role} {'owns it' if creator.owner else 'may CREATE in it'}; it is on the path of"
                f" {listed(map(str, on_path))}",
                f"ALTER SCHEMA {creator.quoted} OWNER TO {owner};"
                f" GRANT USAGE ON SCHEMA {creator.quoted} TO {creator.role}"
                if creator.owner
                else closed(case, creator),
            )


def _not_there(creator: Creator, led: list[_Run], there: set[str]) -> Iterator[Finding]:
    """Who may create schemas may create one that a path names and that is not there."""
    for run in led:
        missing = [name for name in run.path if name not in _SAFE and {"$user": run.role}.get(name, name) not in there]
        if missing and run.function.search_path:
            kept = [name if name in _SAFE else shown(name) for name in run.path if name not in missing]
            yield Finding(
                "path_open_to_others",
                ERROR,
                "Others may create what a function calls with its owner's rights",
                run.function.signature,
                f"it runs as {run.role}{run.when}, and its path leads to {listed(missing)}, which does not"
                f" exist: {creator.role} may create that schema",
                f"ALTER FUNCTION {run.function.signature} SET search_path = {', '.join(kept) or shown('')}",
            )


def _definers(case: Case) -> Iterator[_Run]:
    """Those that say where they look; ours name everything in full, and the others are search_path_open."""
    for function in case.picture.functions:
        if function.security_definer and function.schemas and not case.released(function):
            yield _Run(function, function.owner, function.schemas)


def _fired(case: Case) -> Iterator[_Run]:
    """Those of the triggers on the parent that a count fires: as its owner, on the path of the counting functions."""
    functions = {function.oid: function for function in case.picture.functions}
    owner, fired = case.picture.presets.owner or "", {trigger.name for trigger in case.picture.fired}
    for trigger in case.triggers("presets"):
        function = functions.get(trigger.function)
        if function is None or function.security_definer or trigger.name not in fired:
            continue
        yield _Run(
            function,
            owner,
            function.schemas or (case.counter.schema, "pg_temp"),
            f" when a count fires {trigger}" + ("" if case.counted else ", after usagefix apply"),
            case.counted,
        )


def may_write_counter(case: Case) -> Iterator[Finding]:
    """The guard stops mistakes; rights stop people: who has them."""
    writers = {function.oid: function for function in case.counting if _counts_for_others(case, function)}
    rights: dict[str, list[Grant]] = {}
    for grant in case.picture.grants:
        if grant.function is None or grant.function in writers:
            rights.setdefault(grant.role, []).append(grant)
    for role, grants in rights.items():
        members = sorted({member for grant in grants for member in grant.members})
        through = [_through(case, grant, writers) for grant in grants]
        taken = dict.fromkeys(statement for grant in grants for statement in _revoked(case, grant, writers))
        more = "; first grant what else is needed, because that membership gives more"
        yield Finding(
            "may_write_counter",
            INFO,
            "A role may write the counter",
            f"role {role}" if role != "PUBLIC" else "every role (PUBLIC)",
            f"through {listed(through)}" + (f"; so may its members: {listed(members)}" if members else ""),
            f"{'; '.join(taken)}, unless it should write: the guard stops mistakes, privileges stop people"
            + more * any(grant.through in ("owner", "every table") for grant in grants),
        )


def _counts_for_others(case: Case, function: Function) -> bool:
    """Whether who calls it writes the counter with the rights of its owner."""
    if function.is_trigger or not function.security_definer:
        return False
    acting = next(found for found in reversed(case.way_to_counter(function)) if found.security_definer)
    return acting.owner_may_count


def _through(case: Case, grant: Grant, writers: dict[int, Function]) -> str:
    if grant.function is not None:
        function = writers[grant.function]
        return f"EXECUTE on {function.signature}, which runs as {function.owner}"
    return {
        "table": f"UPDATE on {case.presets}",
        "column": f"UPDATE on {case.counted_column}",
        "owner": f"membership in {case.picture.presets.owner}, which owns {case.presets}",
    }.get(grant.through, "the privilege to write every table")


def _revoked(case: Case, grant: Grant, writers: dict[int, Function]) -> Iterator[str]:
    """What takes the right away, and no other."""
    column = shown(case.counter.column)
    others = ", ".join(shown(name) for name in case.picture.presets.columns if name != case.counter.column)
    whom = grant.role if grant.through == "owner" else ", ".join(grant.members)
    if grant.function is not None:
        yield revoked(case, writers[grant.function], grant.role)
    elif grant.through == "table":
        yield f"REVOKE UPDATE ON {case.presets} FROM {grant.role}"
        yield f"GRANT UPDATE ({others}) ON {case.presets} TO {grant.role}"
    elif grant.through == "column":
        yield f"REVOKE UPDATE ({column}) ON {case.presets} FROM {grant.role}"
    elif whom:
        through = shown(case.picture.presets.owner or "") if grant.through == "owner" else grant.role
        read = "SELECT, " if grant.through == "owner" else ""
        yield f"GRANT {read}INSERT, UPDATE ({others}), DELETE ON {case.presets} TO {whom}"
        yield f"GRANT {read}INSERT, UPDATE, DELETE ON {case.events} TO {whom}"
        yield f"REVOKE {through} FROM {whom}"


def dump_needs_ledger(case: Case) -> Iterator[Finding]:
    """A backup by a role that reads the application only."""
    for reader in case.picture.readers:
        yield Finding(
            "dump_needs_ledger",
            WARNING,
            "pg_dump fails for a role that may not read the ledger",
            f"role {reader.role}",
            f"it may read every table of schema {case.counter.schema}, but not all of schema usagefix",
            reader.remedy,
        )


RULES: dict[str, Rule] = {rule.__name__: rule for rule in (path_open_to_others, dump_needs_ledger, may_write_counter)}
