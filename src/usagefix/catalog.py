"""The SQL that comes with usagefix: migrations by version, and named queries. The wheel has the files as
``usagefix/sql``; an editable install reads the ``sql`` folder of the checkout."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from itertools import product
from pathlib import Path

from usagefix.counter import STANDARD, Counter
from usagefix.doubting import doubting
from usagefix.errors import ConfigurationError
from usagefix.models.choices import Trust
from usagefix.nouns import commented, spoken
from usagefix.sentinels import render
from usagefix.tokens import split

_PACKAGED = Path(__file__).parent / "sql"
_CHECKOUT = Path(__file__).parents[2] / "sql"
_RELEASED_BODY = re.compile(r"^AS \$function\$(.*?)\$function\$;$", re.MULTILINE | re.DOTALL)
_HEADER = re.compile(r"^-- (?P<key>kind|effect): (?P<value>.+)$", re.MULTILINE)
_VERSION_FOLDER = re.compile(r"(?P<version>\d{14})_(?P<name>[a-z0-9_]+)")


class Face(StrEnum):
    """The files of a migration."""

    APPLY = "apply"
    VERIFY = "verify"
    BACKFILL = "backfill"
    ROLLBACK = "rollback"


class MigrationKind(StrEnum):
    """What a migration creates, by the header of its ``apply.sql``. The plan depends on it."""

    COUNTING = "counting"  # counts every event, drops the daily limit, and has the backfill
    GUARD = "guard"


@dataclass(frozen=True, slots=True)
class Migration:
    """A version (14 digits, a UTC timestamp) with its name and files. The header of ``apply.sql`` says the rest."""

    version: str
    name: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.version}_{self.name}"

    def read(self, face: Face, counter: Counter = STANDARD) -> str:
        """The text of one file, for a database with this counter."""
        return _worded(self._in_names(face, self._file(face), counter), counter)

    def _in_names(self, face: Face, text: str, counter: Counter) -> str:
        """A file, or a statement of it, in the names for a counter, but for its comments."""
        if face in (Face.VERIFY, Face.BACKFILL) and not counter.usual:
            text = spoken(doubting(counter, text), counter)
        text = _rendered(text, counter)
        if face is Face.VERIFY and counter != STANDARD:
            for sums in (Migration.checksums, Migration.partitions_checksums):
                for usual, here in zip(sums(self), sums(self, counter), strict=True):
                    text = text.replace(usual, here)
        return text

    def bodies(self, counter: Counter = STANDARD) -> list[str]:
        """The bodies of the functions that ``apply.sql`` creates."""
        return [_body(body, counter) for body in _RELEASED_BODY.findall(self._file(Face.APPLY))]

    def checksums(self, counter: Counter = STANDARD) -> list[str]:
        """The md5 of each of these bodies, as PostgreSQL's ``md5()`` computes it. If a database without partitions
        gets another body, its md5 follows after a blank."""
        return list(_checksums(self, counter.as_stored))

    def script(self, face: Face, counter: Counter = STANDARD, *, with_ledger: bool = True) -> str:
        """The script to run by hand for a face. apply also needs the ledger, and the file that may stop it; verify, if
        the table of events is partitioned, the checks of that."""
        if face is not Face.APPLY:
            further = self.partitions_verified(counter) if face is Face.VERIFY and counter.partitioned else ""
            return "\n".join(filter(None, [self.read(face, counter), further]))
        stops = self._beside("stops")
        first = [ledger(counter)] if with_ledger else []
        first += [_written(stops, counter)] if stops else []
        return "\n".join([*first, self.read(face, counter)])

    def statements(self, face: Face, counter: Counter = STANDARD) -> tuple[Statement, ...]:
        """A file's statements one by one."""
        return statements(self.read(face, counter))

    def partitions(self, counter: Counter = STANDARD) -> tuple[Statement, ...]:
        """What a partitioned table of events needs beside ``apply.sql``."""
        return statements(_written(self._beside("partitions"), counter))

    def partitions_verified(self, counter: Counter = STANDARD) -> str:
        """The text of the file that checks them, with the checksums of their functions; empty if there is none."""
        return _worded(self._in_names(Face.VERIFY, self._beside("verify_partitions"), counter), counter)

    def partitions_checksums(self, counter: Counter = STANDARD) -> list[str]:
        """The md5 of each body of a function that partitions need."""
        counter = replace(counter.as_stored, partitioned=True)
        return [counter.md5(body) for body in _RELEASED_BODY.findall(_written(self._beside("partitions"), counter))]

    def object_checks(self, counter: Counter = STANDARD) -> str:
        """The statement that checks the catalog, and counts nothing: of ``verify.sql``, and of what partitions need."""
        checks, further = self._checks("Objects", counter), self._beside("verify_partitions")
        return f"{checks}\nUNION ALL (\n{self._checks('Partitions', counter, further)}\n)" if further else checks

    def counter_checks(self, counter: Counter = STANDARD) -> str:
        """The statement of ``verify.sql`` that counts, and checks the counters."""
        return self._checks("Counters", counter)

    def _checks(self, title: str, counter: Counter, file: str = "") -> str:
        found = next(text for text in _split(file or self._file(Face.VERIFY)) if _statement(text).title == title)
        return _statement(self._in_names(Face.VERIFY, found, counter)).text.rstrip(";\n")

    @property
    def kind(self) -> MigrationKind:
        return MigrationKind(self._header["kind"])

    @property
    def effect(self) -> str:
        """What is true once the migration is applied, in words."""
        return self._header["effect"]

    @property
    def checksum(self) -> str:
        """SHA-256 over its files, in hexadecimal; released files never change."""
        whole = "\0".join(_read(file) for file in sorted(self.folder.glob("*.sql")))
        return hashlib.sha256(whole.encode()).hexdigest()

    def _beside(self, name: str) -> str:
        """The text of a file that not each version has; empty where it has none."""
        file = self.folder / f"{name}.sql"
        return _read(file) if file.exists() else ""

    @property
    def _header(self) -> dict[str, str]:
        return {found["key"]: found["value"] for found in _HEADER.finditer(self._file(Face.APPLY))}

    def _file(self, face: Face) -> str:
        """The text of a file. One backfill serves every version: the one that comes with the counting."""
        folder = counting().folder if face is Face.BACKFILL else self.folder
        return _read(folder / f"{face}.sql")


def decided(backfill: str, believed: Trust | None) -> str:
    """The text of a backfill with the answer of a person about which side is right; unchanged if there is none."""
    if believed is None:
        return backfill
    before, work = backfill.split("-- Count what", maxsplit=1)
    said = f"-- Decided: the {believed} are true\nSET LOCAL usagefix.trust = '{believed}';\n\n"
    return f"{before}{said}-- Count what{work}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, with its purpose from the comment above it. ``early``: it must run before those that replace
    something."""

    purpose: str
    text: str
    early: bool = False

    @property
    def title(self) -> str:
        """The first sentence of the purpose."""
        return re.split(r"(?:\.\s|: )", self.purpose, maxsplit=1)[0].rstrip(".")

    @property
    def summary(self) -> str:
        """The first line of the purpose."""
        return self.text.splitlines()[0]

    @property
    def is_by_hand(self) -> bool:
        """Whether only the file that is run by hand needs it; a plan has something better."""
        return self.purpose.startswith("By hand: ")

    @property
    def is_lock(self) -> bool:
        """Whether it only locks a table, for the versions that the same transaction applied before."""
        return "IN SHARE ROW EXCLUSIVE MODE" in self.text


def root() -> Path:
    """The folder of the bundled SQL. Raises ConfigurationError if it is missing."""
    for candidate in (_PACKAGED, _CHECKOUT):
        if (candidate / "queries").is_dir():
            return candidate
    raise ConfigurationError(
        f"the SQL files that belong to usagefix are missing from {_PACKAGED.parent}", hint="reinstall usagefix"
    )


@cache
def migrations() -> tuple[Migration, ...]:
    """Every bundled migration, oldest first."""
    found = ((_VERSION_FOLDER.fullmatch(folder.name), folder) for folder in root().iterdir())
    return tuple(
        sorted(
            (Migration(match["version"], match["name"], folder) for match, folder in found if match),
            key=lambda migration: migration.version,
        )
    )


def migration(version: str) -> Migration:
    """The migration of a version, given as its 14 digits or as the folder's whole name.

    Raises ConfigurationError for an unknown one.
    """
    for candidate in migrations():
        if version in (candidate.version, str(candidate)):
            return candidate
    known = ", ".join(m.version for m in migrations())
    raise ConfigurationError(f"there is no version {version!r}", hint=f"known versions: {known}")


def counting() -> Migration:
    """The migration that counts."""
    (found,) = (migration for migration in migrations() if migration.kind is MigrationKind.COUNTING)
    return found


@cache
def query(name: str, counter: Counter = STANDARD) -> str:
    """The text of a named query, a file of ``sql/queries``, for a database with this counter.

    A question about the catalog takes the names as parameters: those of :attr:`Counter.params`.
    """
    return _rendered(_read(root() / "queries" / f"{name}.sql"), counter)


@cache
def released_bodies(counter: Counter = STANDARD) -> frozenset[str]:
    """The bodies of the functions that the migrations put beside the application's, for this counter, whichever of the
    optional columns its tables had when they were applied."""
    counter = counter.as_stored
    facts = product({counter.last, None}, {counter.time, None}, (True, False))
    forms = [replace(counter, last=a, time=b, partitioned=c) for a, b, c in facts]
    texts = [_read(file) for migration in migrations() for file in migration.folder.glob("*.sql")]
    return frozenset(_body(body, form) for text in texts for body in _RELEASED_BODY.findall(text) for form in forms)


def ledger(counter: Counter = STANDARD) -> str:
    """The script that creates schema ``usagefix``, which every migration needs."""
    return _written(_read(root() / "ledger.sql"), counter)


def notifications(name: str) -> str:
    """The text of a file of ``sql/notifications``, in the names of the usual application."""
    return _read(root() / "notifications" / f"{name}.sql")


def sample(name: str) -> str:
    """The text of a file of ``sql/sample``: the demo's application and its rows."""
    return _read(root() / "sample" / f"{name}.sql")


@cache
def statements(script: str) -> tuple[Statement, ...]:
    """A script's statements one by one; what only comments is left out."""
    import sqlparse  # noqa: PLC0415 - only some commands split

    return tuple(_statement(text) for text in sqlparse.split(script) if _code(text))


@cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _split(script: str) -> tuple[str, ...]:
    return tuple(split(script))  # sqlparse takes ten times as long


@cache
def _checksums(migration: Migration, counter: Counter) -> tuple[str, ...]:
    forms = [migration.bodies(replace(counter, partitioned=partitioned)) for partitioned in (True, False)]
    return tuple(" ".join(dict.fromkeys(map(counter.md5, bodies))) for bodies in zip(*forms, strict=True))


def _body(body: str, counter: Counter) -> str:
    """The body of a function, in the names and words for a counter."""
    return _written(f"$function${body}$function$", counter)[10:-10]


@cache
def _rendered(text: str, counter: Counter) -> str:
    counter = replace(counter, encoding=STANDARD.encoding)
    usual = replace(counter, partitioned=True, baselines=True) == STANDARD
    if counter == STANDARD or (usual and "--? " not in text):
        return text  # the same, without reading all of it
    return render(counter, text)


def _written(text: str, counter: Counter) -> str:
    """Text that stays in a database, or that people read, in the words for the counter."""
    return _worded(_rendered(text, counter), counter)


@cache
def _worded(rendered: str, counter: Counter) -> str:
    return commented(rendered, counter)


def _statement(text: str) -> Statement:
    comment = text[: len(text) - len(_code(text))].rsplit("\n\n", maxsplit=1)[-1]
    lines = [line.removeprefix("--").strip() for line in comment.splitlines()]
    return Statement(purpose=" ".join(line for line in lines if line), text=_code(text).rstrip())


def _code(text: str) -> str:
    """The text from its first line of code on."""
    return re.sub(r"\A(?:\s*--[^\n]*(?:\n|\Z))*\s*", "", text)
