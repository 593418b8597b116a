"""Commands that inherit the options of their group: typer keeps the two apart, people do not.

What stands before a command is handed to it, so that each is read once, by the command, and the later one wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from typer.core import TyperCommand, TyperGroup

from usagefix.cli import helping
from usagefix.cli.misuse import unknown
from usagefix.cli.run import interrupted
from usagefix.cli.shared import COUNTERS, EVERY, LACKING

_BEFORE = "usagefix.before"


class Group(TyperGroup):
    """What is before all commands. Its own options are read at once; those that commands share, by the command."""

    @property
    def shared(self) -> list[Any]:
        """The options that commands inherit."""
        return [param for param in self.params if getattr(param, "rich_help_panel", None) in (COUNTERS, EVERY)]

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options: without those that commands share, while its own are read."""
        known = super().get_params(ctx)
        return known if _BEFORE in ctx.meta else [param for param in known if param not in self.shared]

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context. Ctrl-C raises Interrupted: typer would end the process without a word."""
        try:
            return super().make_context(info_name, args, parent=parent, **extra)
        except KeyboardInterrupt:
            raise interrupted() from None

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Ctrl-C before it begins raises Interrupted; from then on the command says it itself."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise interrupted() from None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read its own options, and keep what is for the command."""
        parser = self.make_parser(ctx)
        for param in self.shared:
            param.add_to_parser(parser, ctx)
        given, rest, _ = parser.parse_args(list(args))
        own = list(_typed(self.get_params(ctx), given))
        left: list[str] = super().parse_args(ctx, [*own, "--", *rest])
        ctx.meta[_BEFORE] = list(_typed(self.shared, given))
        return left

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is named. Raises ConfigurationError where there is none of that name."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise unknown("command", args[0], [*self.commands, "--version"], "usagefix --help")
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands, by what one does, and the options."""
        helping.commands(self, formatter)
        helping.options(None, [*self.params, self.get_help_option(ctx)], ctx, formatter)


class Command(TyperCommand):
    """A command with the options that it shares with others."""

    def inherited(self, ctx: Any) -> list[Any]:
        """The options of the group that this command has, too."""
        lacking = LACKING.get(self.name or "", ())
        group = ctx.parent.command if ctx.parent is not None else None
        return [param for param in group.shared if param.name not in lacking] if isinstance(group, Group) else []

    def get_params(self, ctx: Any) -> list[Any]:
        """Its own options, and those."""
        *own, help_option = super().get_params(ctx)
        return [*own, *self.inherited(ctx), help_option]

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context, with what stood before the command in front of what stands after it."""
        before = parent.meta.get(_BEFORE, ()) if parent is not None and info_name != "help" else ()
        return super().make_context(info_name, [*before, *args], parent=parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the group's callback with what was given for its options, then the command."""
        given = {param.name: ctx.params.pop(param.name) for param in self.inherited(ctx)}
        ctx.parent.command.callback(**given)
        return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words behind its name. Braces are for a choice only."""
        return [piece if "|" in piece else piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """What it does, and an example on one line, however long: to be copied."""
        text, _, example = (self.help or "").rpartition("\n\n")
        helping.prose(text, example, formatter)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Its own options first, what it shares with all at the end."""
        helping.options(self.name, self.get_params(ctx), ctx, formatter)


def _typed(params: Sequence[Any], given: Mapping[str, Any]) -> Iterator[str]:
    """What was given for these options, as it can be typed once more."""
    for param in params:
        value = given.get(param.name)
        for one in value if isinstance(value, list) else [] if value is None else [value]:
            yield param.opts[0] if param.is_flag else f"{param.opts[0]}={one}"
