"""What the ledger may hold: only statements that apply writes there, for the tables and functions of this database.
A role with fewer rights than the reader may have written to the ledger, so usagefix checks everything in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from usagefix.errors import NotPermitted
from usagefix.ledger import Saved
from usagefix.planning.scene import Scene
from usagefix.quoting import quoted
from usagefix.tokens import Kind, Token, code

Fits = Callable[[list[Token]], bool]

_LANGUAGES = {"plpgsql", "sql"}
_STATES = (["disable"], ["enable"], ["enable", "replica"], ["enable", "always"])


def require(scene: Scene, saved: Saved) -> None:
    """Raise NotPermitted if the ledger holds something that apply does not write there."""
    texts = [saved.definition] if saved.definition is not None else []
    if not all(_is_definition(scene, saved, text) for text in texts) or not all(
        _is_extra(scene, saved, extra) for extra in saved.extras
    ):
        raise NotPermitted(
            f"the ledger holds something that apply does not write there, for {saved.identity}",
            hint="look at usagefix.saved_objects; usagefix ran nothing of it",
        )


def new_owner(extra: str) -> str | None:
    """The role that a statement makes the owner of a function; None for another statement."""
    found = code(extra)
    words = [token.name for token in found]
    return found[-1].name if words[:2] == ["alter", "function"] and words[-3:-1] == ["owner", "to"] else None


def _is_definition(scene: Scene, saved: Saved, text: str) -> bool:
    found = code(text)
    if any(token.text == ";" for token in found):
        return False  # more than one statement, or a body that is parsed already, which apply never edits
    if saved.kind == "function":
        return _is_function(scene, saved, found)
    if saved.kind == "trigger":
        begins = _begins(found, "create", "trigger") or _begins(found, "create", "constraint", "trigger")
        return begins and f" ON {saved.identity.rpartition(' on ')[2]} " in text
    keys = " ON ".join(text.split(" ON ")[1:])
    return _begins(found, "create", "unique", "index") and keys.startswith(f"{scene.tree[0].name} USING ")


def _is_function(scene: Scene, saved: Saved, found: list[Token]) -> bool:
    """A definition in a language that is no more than its owner, without what only a superuser may say."""
    header = [token.name for token in found[:-1]]
    languages = [header[place + 1] for place, word in enumerate(header[:-1]) if word == "language"]
    ours = {f"{scene.counter.schema_sql}.{scene.counter.sql(role)}()" for role in scene.counter.roles_of_functions}
    known = saved.left_behind is not None or saved.identity in ours | {_unquoted(name) for name in ours}
    return (
        _begins(found, "create", "or", "replace", "function")
        and known
        and found[-1].kind is Kind.DOLLAR
        and (saved.left_behind is not None or (languages[-1:] != [] and languages[-1] in _LANGUAGES))
        and not {"leakproof", "support"} & set(header)
    )


def _unquoted(name: str) -> str:
    return name.replace('"', "")


def _is_extra(scene: Scene, saved: Saved, text: str) -> bool:
    return any(text.startswith(before) and fits(code(text[len(before) :])) for before, fits in _forms(scene, saved))


def _forms(scene: Scene, saved: Saved) -> Iterator[tuple[str, Fits]]:
    """What a statement that completes a definition begins with, and whether the rest is as it should be."""
    name = saved.identity
    if saved.kind == "function":
        yield f"GRANT EXECUTE ON FUNCTION {name} TO ", _is_grantee
        yield f"ALTER FUNCTION {name} OWNER TO ", _is_name
        yield f"ALTER FUNCTION {name} DEPENDS ON EXTENSION ", _is_name
    elif saved.kind == "trigger":
        table = name.rpartition(" on ")[2]
        yield f"ALTER TABLE {table} ", _is_state
        yield f"ALTER TRIGGER {quoted(name.removesuffix(f' on {table}'))} ON {table} DEPENDS ON EXTENSION ", _is_name
    else:
        table = scene.tree[0].name
        yield f"COMMENT ON INDEX {name} IS ", _is_literal
        yield f"ALTER INDEX {name} DEPENDS ON EXTENSION ", _is_name
        yield f"ALTER INDEX {name} ALTER COLUMN ", _is_statistics
        yield f"ALTER TABLE {table} REPLICA IDENTITY USING INDEX ", _is_name
        yield f"ALTER TABLE {table} CLUSTER ON ", _is_name


def tables(scene: Scene) -> set[str]:
    """The two tables, and the partitions of the events."""
    return {table.name for table in scene.tree} | {scene.around.parent}


def _begins(found: list[Token], *words: str) -> bool:
    return tuple(token.name for token in found[: len(words)]) == words


def _is_name(rest: list[Token]) -> bool:
    return len(rest) == 1 and bool(rest[0].name)


def _is_grantee(rest: list[Token]) -> bool:
    return bool(rest) and _is_name(rest[:1]) and [t.name for t in rest[1:]] in ([], ["with", "grant", "option"])


def _is_state(rest: list[Token]) -> bool:
    return _is_name(rest[-1:]) and [t.name for t in rest[:-1]] in [[*state, "trigger"] for state in _STATES]


def _is_literal(rest: list[Token]) -> bool:
    return len(rest) == 1 and rest[0].kind is Kind.LITERAL


def _is_statistics(rest: list[Token]) -> bool:
    kinds = [Kind.NUMBER, Kind.WORD, Kind.WORD, Kind.NUMBER]
    return [t.kind for t in rest] == kinds and [t.name for t in rest[1:3]] == ["set", "statistics"]
