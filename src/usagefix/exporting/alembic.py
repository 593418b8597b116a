"""Revisions for Alembic."""

from __future__ import annotations

import ast
import configparser
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from usagefix.errors import ConfigurationError
from usagefix.exporting.step import Step
from usagefix.exporting.tool import Draft, File, Tool, read
from usagefix.models.choices import MigrationTool
from usagefix.tokens import split

_BODY = '''\
from alembic import op
from sqlalchemy import text

UP = (
{up})

DOWN = (
{down})


def upgrade() -> None:
    run((NOTE, *UP))


def downgrade() -> None:
    run(DOWN)


def run(statements: tuple[str, ...]) -> None:
    """One by one, since some drivers prepare each; a colon begins no parameter here."""
    for statement in statements:
        op.execute(text(statement.replace(":", "\\\\:")))
'''


class Alembic(Tool):
    """Alembic (seen with 1.20) runs all revisions of one ``upgrade`` in one transaction, the changes of
    ``alembic_version`` with them, unless ``env.py`` sets ``transaction_per_migration``. Statements go through
    SQLAlchemy to any driver, of which some take only one at a time.
    """

    choice = MigrationTool.ALEMBIC
    runs = "alembic upgrade head"
    told = (
        "Alembic runs all new revisions in one transaction, and writers wait until the last ends, unless"
        " env.py gives transaction_per_migration=True to context.configure(). Safe to run again; then:"
        " usagefix verify. --? marks lines that some databases do not need."
    )
    usual = ("alembic/versions", "migrations/versions")
    comment = "#"
    goes_on = True

    def home(self, folder: Path) -> Path | None:
        """The folder of revisions: of the ``alembic.ini`` there, beside the ``env.py`` there, or that folder."""
        if (folder / "alembic.ini").is_file():
            return _versions_of(folder)
        for place in (folder, *(folder / usual for usual in self.usual), folder / "versions"):
            if place.absolute().name == "versions" and (place.absolute().parent / "env.py").is_file():
                return place
        return None

    def found(self, folder: Path) -> list[File]:
        """From the first revision to the head. Raises ConfigurationError if there are several heads."""
        revisions = dict(_revision(path) for path in sorted(folder.iterdir()) if path.suffix == ".py")
        revisions.pop(None, None)
        below = {name for _, downs in revisions.values() for name in downs}
        heads = [name for name in revisions if name not in below]
        if len(heads) > 1:
            raise ConfigurationError(
                f"{folder} has several heads: {', '.join(sorted(map(str, heads)))}",
                hint="alembic merge heads makes them one; then run this again",
            )
        order: list[File] = []
        waiting, seen = list(heads), set[str]()
        while waiting:
            name = waiting.pop(0)
            if name is not None and name not in seen and name in revisions:
                seen.add(name)
                file, downs = revisions[name]
                order.append(file)
                waiting += downs
        return order[::-1]

    def versions(self, found: Sequence[File], steps: Sequence[Step]) -> list[str]:  # noqa: ARG002
        return [uuid.uuid4().hex[:12] for _ in steps]

    def drafts(self, folder: Path, found: Sequence[File], new: Sequence[tuple[str, Step]]) -> Iterator[list[Draft]]:
        below = found[-1].version if found else None
        for version, step in new:
            chain = [f'revision = "{version}"', f"down_revision = {_quoted(below)}"]
            chain += ["branch_labels = None", "depends_on = None"]
            head = self.head(step, *chain, f'NOTE = "{self.note(version)}"')
            yield [Draft(folder / f"{version}_{step.name}.py", head + self.body(step))]
            below = version

    def body(self, step: Step) -> str:
        up, down = ("".join(map(_literal, split(self.script(way)))) for way in (step.up, step.down))
        return _BODY.replace("{up}", up).replace("{down}", down)


def _quoted(name: str | None) -> str:
    return "None" if name is None else f'"{name}"'


def _literal(statement: str) -> str:
    """A statement as Python writes it, to be read where that is possible."""
    plain = '"""' not in statement and "\r" not in statement and not statement.endswith(('"', "\\"))
    return f'    r"""\n{statement}""",\n' if plain else f"    {statement!r},\n"


def _revision(path: Path) -> tuple[str | None, tuple[File, tuple[str, ...]]]:
    """What a file says that it is, and what it comes after; None: no revision."""
    text, said = read(path), dict[str, object]()
    try:
        body = ast.parse(text).body
    except SyntaxError:
        body = []
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            with suppress(ValueError, TypeError):
                said[ast.unparse(target)] = ast.literal_eval(node.value)
    name, down = said.get("revision"), said.get("down_revision")
    downs = (down,) if isinstance(down, str) else tuple(down) if isinstance(down, (tuple, list)) else ()
    return (name if isinstance(name, str) else None), (File(path, str(name), text), downs)


def _versions_of(project: Path) -> Path:
    """What ``alembic.ini`` says. Raises ConfigurationError if it says nothing."""
    parser = configparser.ConfigParser({"here": str(project)}, strict=False)
    try:
        parser.read_string(read(project / "alembic.ini"))
        location = parser.get("alembic", "script_location")
    except configparser.Error:
        raise ConfigurationError(
            f"{project / 'alembic.ini'} does not say where the revisions are", hint="give their folder, versions"
        ) from None
    return project / location / "versions"
