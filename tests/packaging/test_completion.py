"""Completion in a real shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import environment

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is absent")


def offered(tmp_path: Path, *typed: str) -> set[str]:
    """What bash offers after these words."""
    program = tmp_path / "usagefix"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m usagefix "$@"\n')
    program.chmod(0o755)
    words = " ".join(f"'{word}'" for word in ("usagefix", *typed))
    script = (
        'eval "$(usagefix --show-completion bash)"\n'
        f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}\n"
        '_usagefix_completion usagefix\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    # Else it asks the process table which shell it is for.
    variables = environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    variables["PATH"] = f"{tmp_path}:{variables['PATH']}"
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script], env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.split())


def test_commands_options_and_values(tmp_path: Path) -> None:
    assert {"apply", "verify", "smoke", "schema"} <= offered(tmp_path, "")
    assert offered(tmp_path, "ro") == {"rollback"}
    assert {"--watch", "--fail-over", "--format"} <= offered(tmp_path, "verify", "--")
    assert {"--database-url", "--env-file", "--counter"} <= offered(tmp_path, "verify", "--")
    assert {"--database-url", "--format", "--version"} <= offered(tmp_path, "--")
    for before, after in (
        (("--format",), ()),
        ((), ("verify", "--format")),
        (("--schema", "x"), ("verify", "--format")),
    ):
        assert offered(tmp_path, *before, *after, "j") == {"json", "junit"}
    assert {"counters_accurate", "guard_enabled"} <= offered(tmp_path, "verify", "--only", "")
    assert "20251101000001" in offered(tmp_path, "sql", "")
    assert offered(tmp_path, "sql", "20251101000001", "ro") == {"rollback"}
    assert "verify" in offered(tmp_path, "schema", "ver")
