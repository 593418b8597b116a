"""How languages write comments, texts and names: enough to cut a file into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePath

_DOUBLE = r'"(?:[^"\\]+|\\.)*"?'
_LINE = r'"(?:[^"\\\n]+|\\.)*"?'  # where a literal ends with its line
_SINGLE = r"'(?:[^'\\]+|\\.)*'?"
_CHARACTER = r"'(?:[^'\\\n]|\\[^\n]{1,8}?)'"
_TRIPLE = r'"{3}(?:[^"\\]+|\\.|"(?!""))*(?:"{3})?'
_SINGLE_TRIPLE = r"'{3}(?:[^'\\]+|\\.|'(?!''))*(?:'{3})?"
_BACKTICK = r"`[^`]*`?"
_C_COMMENT = r"//[^\n]*|/\*.*?(?:\*/|\Z)"
_HASH_COMMENT = r"\#[^\n]*"
_PATTERN = r"(?<=[\s(,=])/(?![\s/=*])(?:[^/\\\n]|\\[^\n])+/[a-z]*"
_MARKS = r"\?->|->|::|&\.|\?\.|!!\.|\+\+|--|\+=|-=|\.\.\.|\.\.|=>|===?|!==?|<=|>=|<>|<-|\|\||\|>|&&|:=|\?\?|."


@dataclass(frozen=True)
class Language:
    """One language.

    ``texts``: patterns of literals, the longest first; ``heredoc``: of what opens one, with its tag as group ``tag``;
    ``names``: of names. ``marks``: marks that mean another one here. ``joins``: marks between texts that are one;
    ``adjacent``: texts side by side are one. ``functions``: words after which variables are others. ``tracks``: a
    mapper of objects notices what is assigned to an attribute and stores it; elsewhere only a call that saves does.
    """

    name: str
    comments: str = _C_COMMENT
    texts: tuple[str, ...] = (_TRIPLE, _LINE, _CHARACTER)
    heredoc: str = ""
    names: str = r"[^\W\d]\w*"
    marks: tuple[tuple[str, str], ...] = ()
    joins: tuple[str, ...] = ("+",)
    adjacent: bool = False
    functions: tuple[str, ...] = ()
    tracks: bool = False
    python: bool = False
    javascript: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What cuts the next token."""
        heredoc = f"|(?P<heredoc>{self.heredoc})" if self.heredoc else ""
        return re.compile(
            rf"(?P<skip>[^\S\n]+|\n|{self.comments}|[^\w\s'\"`\#]{{65,}}){heredoc}"
            rf"|(?P<text>{'|'.join(self.texts)})|(?P<name>{self.names})|(?P<number>\d[\w.]*)|(?P<mark>{_MARKS})",
            re.DOTALL | re.MULTILINE,
        )


PYTHON = Language("python", functions=("def",), adjacent=True, tracks=True, python=True)
JAVASCRIPT = Language("javascript", javascript=True)
_C = Language("c", adjacent=True, texts=(r'R"\((?:[^)]+|\)(?!"))*(?:\)")?', _LINE, _CHARACTER))
_JAVA = Language("java", tracks=True)
_RUBY = Language(
    "ruby",
    comments=rf"^=begin\b.*?(?:^=end[^\n]*|\Z)|{_HASH_COMMENT}|\\\n|{_PATTERN}",
    texts=(_DOUBLE, _SINGLE, _BACKTICK, r"%[qQ]?\([^)]*\)?", r"%[qQ]?\{[^}]*\}?", r"%[qQ]?\[[^\]]*\]?",
           r"(?<![\w:]):[^\W\d]\w*[!?]?"),
    heredoc=r"<<[~-]?(?P<quote>[\"'`]?)(?P<tag>[A-Z_]\w*)(?P=quote)",
    names=r"@{0,2}[^\W\d]\w*(?:[!?](?!=))?",
    adjacent=True,
    functions=("def",),
    tracks=True,
)  # fmt: skip
_PHP = Language(
    "php",
    comments=rf"{_C_COMMENT}|\#(?!\[)[^\n]*",
    texts=(_DOUBLE, _SINGLE, _BACKTICK),
    heredoc=r"<<<[^\S\n]*(?P<quote>[\"']?)(?P<tag>[^\W\d]\w*)(?P=quote)",
    names=r"\$?[^\W\d]\w*",
    marks=((".", "+"),),
    functions=("function",),
    tracks=True,
)
_PERL = replace(
    _PHP,
    name="perl",
    comments=rf"{_HASH_COMMENT}|{_PATTERN}",
    texts=(_DOUBLE, _SINGLE, _BACKTICK, r"\bqq?\([^)]*\)?", r"\bqq?\{[^}]*\}?"),
    heredoc=r"<<~?(?P<quote>[\"']?)(?P<tag>[A-Z_]\w*)(?P=quote)",
    names=r"[$@%]?[^\W\d]\w*",
    functions=("sub",),
)
_ELIXIR = Language(
    "elixir",
    comments=_HASH_COMMENT,
    texts=(rf"(?:~[sS])?(?:{_TRIPLE})", rf"(?:~[sS])?(?:{_DOUBLE})", _SINGLE, r"~[sS]\([^)]*\)?",
           r"(?<![\w:]):[^\W\d]\w*[!?]?"),
    names=r"[^\W\d]\w*[!?]?",
    marks=(("<>", "+"),),
    functions=("def", "defp"),
)  # fmt: skip
_SHELL = Language(
    "shell",
    comments=r"(?:(?<=\s)|^)\#[^\n]*|\\\n",
    texts=(_DOUBLE, r"'[^']*'?"),
    heredoc=r"(?<!<)<<-?[^\S\n]*(?P<quote>[\"']?)\\?(?P<tag>[^\W\d]\w*)(?P=quote)",
    names=r"\$?[^\W\d]\w*",
)
_SUFFIXES = {
    PYTHON: ".py .pyi",
    JAVASCRIPT: ".ts .tsx .js .jsx .mjs .cjs .mts .cts .vue .svelte .astro",
    _C: ".c .h .cc .cpp .cxx .hpp .m .mm",
    _JAVA: ".java",
    replace(_JAVA, name="kotlin", tracks=False, functions=("fun",)): ".kt .kts",
    replace(_JAVA, name="scala", functions=("def",)): ".scala .sc",
    replace(_JAVA, name="groovy", texts=(_TRIPLE, _SINGLE_TRIPLE, _LINE, _SINGLE)): ".groovy .gradle",
    replace(_JAVA, name="c#", texts=(r'(?:\$+)?"{3}(?:[^"]+|"(?!""))*(?:"{3})?', r'(?:@\$?|\$@)"(?:[^"]+|"")*"?',
                                     rf"\$?(?:{_LINE})", _CHARACTER)): ".cs .cshtml .razor",
    _RUBY: ".rb .rake .ru .gemspec Rakefile Gemfile",
    _PHP: ".php .phtml",
    _PERL: ".pl .pm .t",
    Language("go", texts=(_BACKTICK, _LINE, _CHARACTER), functions=("func",)): ".go",
    Language("rust", texts=(r'b?r\#+"(?:[^"]+|"(?!\#))*(?:"\#+)?', r'b?r"[^"]*"?', rf"b?(?:{_DOUBLE})", _CHARACTER),
             functions=("fn",)): ".rs",
    Language("swift", texts=(_TRIPLE, _LINE), functions=("func",)): ".swift",
    Language("dart", texts=(rf"r?(?:{_TRIPLE})", rf"r?(?:{_SINGLE_TRIPLE})", rf"r?(?:{_LINE})", rf"r?(?:{_SINGLE})"),
             adjacent=True): ".dart",
    Language("lua", comments=r"--\[\[.*?(?:\]\]|\Z)|--[^\n]*", texts=(r"\[\[.*?(?:\]\]|\Z)", _DOUBLE, _SINGLE),
             marks=(("..", "+"),), functions=("function",)): ".lua",
    _ELIXIR: ".ex .exs",
    _SHELL: ".sh .bash .zsh .ksh .bats Makefile Dockerfile Procfile Justfile .mk",
}  # fmt: skip
LANGUAGES = tuple(_SUFFIXES)
_BY_NAME = {name: language for language, names in _SUFFIXES.items() for name in names.lower().split()}


def language_of(path: PurePath) -> Language | None:
    """The language of a file, by its suffix, or its name where it has none."""
    name = path.name.lower()
    return _BY_NAME.get(path.suffix.lower() or name) or _BY_NAME.get(name.partition(".")[0] if name[0] != "." else "")
