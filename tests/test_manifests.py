"""pyproject, lock and conda file agree, and no file names a registry or somebody's machine."""

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [
    Requirement(text)
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
]
LOCK = (ROOT / "requirements.lock").read_text()
PYTHONS = ("3.11.0", "3.11.9", "3.12.1", "3.13.0")
OWNERS_CARD = """jupyterlab pandas numpy scipy py_vollib yfinance alpaca-py plotly ipywidgets
    papermill nbval empyrical-reloaded pyfolio-reloaded""".split()
NOT_PACKAGES = {"python", "pip", "make"}  # what conda brings and pip has no word for
# Put together here, so that this file passes its own test.
REGISTRIES = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "ana" + "conda.org",
    "conda-forge" + ".org",
)
LOCAL_PATHS = ("/ro" + "ot/", "/wo" + "rk/", "/ho" + "me/", "/us" + "ers/", "/op" + "t/py")


def names(requirements) -> dict[str, Requirement]:
    return {canonicalize_name(each.name): each for each in requirements}


def conda() -> dict[str, Requirement]:
    told = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    from_pip = next(each["pip"] for each in told if isinstance(each, dict))
    plain = [each for each in told if isinstance(each, str)]
    return names(map(Requirement, [*plain, *from_pip]))


def pins(python: str) -> dict[str, str]:
    """What the lock installs on one Python on Linux."""
    lines = re.findall(r"^([\w.-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?", LOCK, re.MULTILINE)
    major_minor = ".".join(python.split(".")[:2])
    here = default_environment() | {
        "python_full_version": python,
        "python_version": major_minor,
    }
    return {
        canonicalize_name(name): version
        for name, version, marker in lines
        if not marker or Requirement(f"x ; {marker.strip()}").marker.evaluate(here)
    }


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: which files are committed is not known")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


@pytest.mark.parametrize("name", OWNERS_CARD)
def test_every_package_of_the_owners_card_is_asked_for(name):
    assert canonicalize_name(name) in names(ASKED)


def test_conda_asks_for_the_same_packages_in_the_same_ranges():
    pip, both = names(ASKED), conda()

    assert set(both) - NOT_PACKAGES == set(pip)
    assert {n: both[n].specifier for n in pip} == {n: each.specifier for n, each in pip.items()}


@pytest.mark.parametrize("python", PYTHONS)
def test_every_range_admits_its_pin(python):
    pinned = pins(python)

    assert not [
        f"{asked} but {pinned.get(name)}"
        for name, asked in names(ASKED).items()
        if pinned.get(name, "none") not in asked.specifier
    ]


def test_every_pin_has_its_hashes():
    entries = re.split(r"\n(?=[\w.-]+==)", LOCK)[1:]

    assert len(entries) > 100
    assert not [each.splitlines()[0] for each in entries if "--hash=sha256:" not in each]


def test_one_empyrical_only():
    assert "empyrical" not in conda().keys() | names(ASKED).keys() | pins("3.11.9").keys()
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("empyrical")


def test_the_build_has_no_package_left_out():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        ".".join(file.relative_to(ROOT).parent.parts)
        for file in (ROOT / "dollarbill_core").rglob("__init__.py")
    }

    assert set(config["packages"]) == folders


def test_no_file_names_a_registry_or_a_path_of_one_machine():
    found = []
    for file in committed():
        text = file.read_bytes().decode("utf-8", errors="ignore").lower()
        found += [f"{file.name}: {word}" for word in REGISTRIES + LOCAL_PATHS if word in text]

    assert found == []
