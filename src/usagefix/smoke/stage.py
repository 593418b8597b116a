"""The actors of a smoke test: a preset that nobody has locked, a user, the application's role. Each is real if there
is one, else created in the same transaction and undone with it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from usagefix.database import Database
from usagefix.errors import Busy, ConfigurationError, DatabaseRefused, NotPermitted, RowNotFound
from usagefix.models.choices import USAGE_TYPE
from usagefix.models.smoke import SmokeStep
from usagefix.models.verification import Status
from usagefix.picture.cases import Case, Users
from usagefix.picture.differing import different
from usagefix.picture.examples import examples, variants
from usagefix.picture.obstacles import said
from usagefix.preset import one_preset
from usagefix.quoting import shown
from usagefix.smoke.rows import in_text, temporary_row

EVENTS = 5
"""So many events of one row are tried, where so many may be there: one, another, and three in one INSERT."""


@dataclass(frozen=True, slots=True)
class Preset:
    """The preset that is used."""

    id: str
    name: str
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class User:
    """Whose use it is: ``key`` as preset_usage.user_id has it, ``claim`` as the session's token has it; None if
    events have no user."""

    key: str | None
    claim: str | None
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that a use needs, and the steps that it took to find it. Of any other table than that of the usual
    application: ``events`` of one row that may be there beside each other, and ``others`` that count in another way, or
    on another row."""

    role: str
    own_role: str
    preset: Preset
    user: User
    kind: str
    steps: tuple[SmokeStep, ...]
    events: tuple[Case, ...] = ()
    others: tuple[Case, ...] = ()

    @contextmanager
    def acting(self, db: Database) -> Iterator[None]:
        """Within the block the session is the application's role, under row level security, with the user's claims.

        Raises NotPermitted if the session may not become that role.
        """
        claims = {"sub": self.user.claim, "role": self.role, "aud": "authenticated"} if self.user.claim else {}
        _set(db, {
            "row_security": "on",
            "request.jwt.claims": json.dumps(claims),
            "request.jwt.claim.sub": self.user.claim or "",
            "request.jwt.claim.role": self.role,
            **({} if db.confines(self.role) else {"role": self.role}),
        })  # fmt: skip
        yield
        # Where the block fails, the transaction does, and the savepoint before it brings these back.
        _set(db, {"role": self.own_role, "row_security": "off"})


def replaced(stage: Stage, case: Case) -> Stage:
    """The same stage for another event."""
    return replace(stage, preset=Preset(case.preset, ""), user=User(case.user, case.claim))


@dataclass(frozen=True, slots=True)
class _Role:
    role: str | None
    may: bool


@dataclass(frozen=True, slots=True)
class _Found:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class _Example:
    user_id: str | None
    usage_type: str | None


def set_stage(
    db: Database, *, role: str | None, preset: str | None, usage_type: str | None, lately: bool = False
) -> Stage:
    """Find or make everything, in the transaction that is open. ``lately``: with the preset that was used last, instead
    of the one that is least in the way.

    Raises RowNotFound, Busy if others hold every row, NotPermitted, ConfigurationError.
    """
    chosen, own = roles(db, role)
    if not db.counter.usual:
        return _of_events(db, chosen, own, preset)
    used = _asked_for(db, preset) if preset is not None else _unasked(db, lately=lately)
    examples = db.rows(db.query("smoke_example"), _Example, {"preset": used.id})
    example = examples[0] if examples else _Example(None, None)
    user = _user(db, example.user_id)
    kind = usage_type or example.usage_type or next(iter(db.values(db.query("kinds"))), None) or USAGE_TYPE
    steps = (
        _found("preset", "A preset", used.name or used.id, temporary=used.temporary),
        _found("user", "A user, and the application's role", _who(user, chosen), temporary=user.temporary),
    )
    return Stage(chosen, own, used, user, kind, steps)


def empty_stage(db: Database, role: str | None) -> Stage:
    """The stage on which nothing can be played, because there is no row to play with."""
    chosen, own = roles(db, role)
    return Stage(chosen, own, Preset("", ""), User(None, None), "", ())


def _of_events(db: Database, role: str, own: str, wanted: str | None) -> Stage:
    """The same for any other table: the first event, of a row that nobody holds, is one that counts."""
    row = one_preset(db, wanted) if wanted is not None else None
    found = examples(db, row.id if row else None)
    if not found and row is None:
        made = _unasked(db, lately=False)  # there is no row at all
        found = examples(db, made.id)
    chosen = next((case for case in found if _is_held(db, case)), None)
    if chosen is None and found:
        held = f"every row of {db.counter.parent} that could be tried is held"
        raise Busy(held, hint="run this again", sqlstate="55P03")
    if chosen is None:
        raise RowNotFound(
            f"no row of {db.counter.parent} accepts another row of {db.counter.child} now",
            hint="name another one with --preset",
        )
    events = tuple(variants(db, chosen.preset, chosen.example, chosen.whose, different(db), EVENTS))
    user = User(chosen.user, chosen.claim)
    steps = (
        _found(
            "preset",
            f"A row of {db.counter.parent}",
            row.label if row and row.label else chosen.preset,
            temporary=False,
        ),
        _found("user", "The application's role", _who(user, role), temporary=False),
    )
    others = tuple(case for case in found if case != chosen)
    return Stage(role, own, Preset(chosen.preset, ""), user, "", steps, events, others)


def _is_held(db: Database, case: Case) -> bool:
    """Whether its row is held from now on, by this."""
    return bool(db.values(f"{db.query('smoke_hold')} SKIP LOCKED", {"preset": case.preset}))


def roles(db: Database, role: str | None) -> tuple[str, str]:
    """The role that acts as the application, and the session's own. Raises NotPermitted, ConfigurationError."""
    (own,) = db.values("SELECT pg_catalog.current_setting('role')")
    chosen = role or db.row(db.query("smoke_role"), _Role).role or db.session.role
    _require_role(db, chosen, own)
    return chosen, own


def _require_role(db: Database, role: str, own: str) -> None:
    if role == db.session.role:
        return
    if not db.values("SELECT true FROM pg_catalog.pg_roles WHERE rolname = %(role)s", {"role": role}):
        raise ConfigurationError(f"there is no role {role!r}", hint="name the application's role with --as")
    db.run("SAVEPOINT usagefix_role")
    try:
        _set(db, {"role": role})
    except DatabaseRefused as refused:
        raise NotPermitted(
            f"role {db.session.role} may not act as {role}",
            hint=f"GRANT {shown(role)} TO {shown(db.session.role)}, or name another role with --as",
            sqlstate=refused.sqlstate,
        ) from None
    _set(db, {"role": own})


def _asked_for(db: Database, wanted: str) -> Preset:
    found = one_preset(db, wanted)
    db.values(db.query("smoke_hold"), {"preset": found.id})
    return Preset(found.id, found.label)


def _unasked(db: Database, *, lately: bool) -> Preset:
    for found in db.rows(db.query("smoke_preset"), _Found, {"lately": lately}):
        return Preset(found.id, found.name)
    counter = db.counter
    given = {counter.column: "0"}
    (held,) = db.values(f"SELECT EXISTS (SELECT FROM {in_text(counter.parent_sql)})")  # noqa: S608 - of the catalog
    try:
        made = temporary_row(db, counter.parent_sql, counter.sql("key"), given)
    except DatabaseRefused as refused:
        if held:
            raise Busy("other sessions hold every preset", hint="run this again", sqlstate="55P03") from None
        none = "there is no preset, and smoke cannot create one for the test"
        raise RowNotFound(f"{none}: {said(refused)}", hint="name one with --preset") from None
    return Preset(made, "", temporary=True)


def _user(db: Database, user_id: str | None) -> User:
    """The user of an event, else any, else a temporary one; where no foreign key tells who is one, any id will do."""
    if db.counter.user is None:
        return User(None, str(uuid.uuid4()))
    for users in db.rows(db.query("smoke_users"), Users):
        if user_id is not None and users.claim == users.key:
            break  # it is there, as the foreign key says, and the role may be one that cannot read it
        real = f"SELECT {users.key}::text AS id, {users.claim}::text AS name FROM {users.relation}"  # noqa: S608 - of the catalog
        where = f" WHERE {users.key} = %(id)s" if user_id is not None else ""
        for found in db.rows(f"{real}{where} LIMIT 1", _Found, {"id": user_id}):
            return User(found.id, found.name)
        key = temporary_row(db, users.relation, users.key, {})
        (found,) = db.rows(f"{real} WHERE {users.key} = %(id)s", _Found, {"id": key})
        return User(found.id, found.name, temporary=True)
    return User(user_id, user_id or str(uuid.uuid4()))


def _who(user: User, role: str) -> str:
    # Not who it is: what is printed may stay in a log, and an id may be an address.
    return f"a user as {role}" if user.key is not None else f"as {role}"


def _found(step_id: str, title: str, what: str, *, temporary: bool) -> SmokeStep:
    return SmokeStep(step_id, title, Status.OK, f"{what}, created for the test" if temporary else what)


def _set(db: Database, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        db.values("SELECT pg_catalog.set_config(%(name)s, %(value)s, true)", {"name": name, "value": value})
