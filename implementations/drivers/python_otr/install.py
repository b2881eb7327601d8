"""Installs python-otr 1.2.2 and its dependencies into a folder: `python install.py FOLDER`.

The package's setup.py is Python 2, so pip can't even get the package's name from it. A substitute for setuptools
answers pip instead. Then pip downloads the source, and this script unpacks the modules unchanged.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

VERSION = "1.2.2"

#: The functions of a build backend that pip calls before it keeps a download.
STAND_IN = f"""
import pathlib

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    folder = pathlib.Path(directory) / "python_otr-{VERSION}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: python-otr\\nVersion: {VERSION}\\n")
    return folder.name

def build_wheel(directory, config_settings=None, metadata_directory=None):
    raise SystemExit("only for downloading")

class __legacy__:
    get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
    build_wheel = staticmethod(build_wheel)
"""


def pip(*words: str, python_path: Path | None = None) -> None:
    environment = dict(os.environ)
    if python_path is not None:
        environment["PYTHONPATH"] = str(python_path)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        sys.exit(f"this failed: {shlex.join(command)}")


def install(folder: Path) -> None:
    """Put otr/ (Python 2) and gmpy2 into the folder."""
    with TemporaryDirectory() as temporary:
        stand_in, downloads = Path(temporary, "stand_in"), Path(temporary, "downloads")
        (stand_in / "setuptools").mkdir(parents=True)
        (stand_in / "setuptools" / "__init__.py").touch()
        (stand_in / "setuptools" / "build_meta.py").write_text(STAND_IN)
        source = ["--no-deps", "--no-binary=python-otr", "--no-build-isolation", "--use-pep517"]
        pip("download", *source, "--dest", str(downloads), f"python-otr=={VERSION}", python_path=stand_in)
        (folder / "otr").mkdir(parents=True, exist_ok=True)
        with tarfile.open(downloads / f"python-otr-{VERSION}.tar.gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                module = archive.extractfile(member)
                if module is not None and path.match("*/otr/*.py"):
                    (folder / "otr" / path.name).write_bytes(module.read())
    # gmpy2 is the only dependency that neither Otterproof has nor python2.py replaces.
    pip("install", "--no-deps", "--upgrade", "--target", str(folder), "gmpy2>=2.1,<3")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python install.py FOLDER")
    install(Path(sys.argv[1]))
