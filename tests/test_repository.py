"""The house rules that a machine can enforce; CONTRIBUTING gives the reason for each."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
AT_ROOT = {
    "jobs", "sources", "docker", "notebooks", "data", "tests",
    "docker-compose.yml", "pyproject.toml", "README.md", "LICENSE", "Makefile", "requirements.lock",
}  # fmt: skip
# In parts, because this file is checked too.
REGISTRIES = [
    ("pypi", "org"), ("pythonhosted", "org"), ("repo1.maven", "org"), ("repo.maven.apache", "org"),
    ("registry.npmjs", "org"), ("proxy.golang", "org"), ("crates", "io"), ("deb.debian", "org"),
]  # fmt: skip
SOMEBODYS_MACHINE = re.compile(r"(?<![\w.}-])/(root|work|Users|home/(?!appuser|jovyan)\w+)/")
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def tracked(*folders: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def python_files(*folders: str) -> list[Path]:
    return [file for file in tracked(*folders) if file.suffix == ".py"]


def text_of(file: Path) -> str:
    try:
        return (ROOT / file).read_text()
    except UnicodeDecodeError:
        return ""  # a picture


def lines_of(file: Path) -> int:
    return len(text_of(file).splitlines())


def test_the_root_holds_what_the_design_lists_and_no_more() -> None:
    visible = {file.parts[0] for file in tracked() if not file.parts[0].startswith(".")}
    assert {name for name in visible - AT_ROOT if not name.endswith(".lock")} == set()


def test_no_python_file_is_longer_than_400_lines() -> None:
    long = {str(file): lines_of(file) for file in python_files("jobs", "sources", "docker")}
    assert {file: lines for file, lines in long.items() if lines > 400} == {}


def test_no_job_is_longer_than_130_lines() -> None:
    jobs = {file.name: lines_of(file) for file in python_files("jobs") if file.parent == Path("jobs")}
    assert {file: lines for file, lines in jobs.items() if lines > 130 and not file.startswith("__")} == {}


def test_no_file_names_a_registrys_host() -> None:
    hosts = [".".join(parts) for parts in REGISTRIES]
    assert [(str(file), host) for file in tracked() for host in hosts if host in text_of(file)] == []


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    found = {str(file): SOMEBODYS_MACHINE.search(text_of(file)) for file in tracked()}
    assert {file: match[0] for file, match in found.items() if match} == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [str(file) for file in tracked() if EMPTY_NAMES & {*file.parts, file.stem}] == []


def test_a_java_that_lives_long_has_room_for_what_its_quick_compiler_makes() -> None:
    """By default that is 48 MB, which a streaming job fills in half an hour and is slower ever after."""
    files = tracked("docker", "docker-compose.yml")
    options = [
        line for file in files for line in text_of(file).splitlines() if "-XX:TieredStopAtLevel=1" in line
    ]
    assert len(options) >= 3
    assert [line for line in options if "-XX:ReservedCodeCacheSize=128m" not in line] == []


def test_docker_is_not_a_package() -> None:
    assert not (ROOT / "docker" / "__init__.py").exists()


LAYERS = ("sources", "jobs.engine", "jobs.sinks", "jobs", "laptop")
"""From below: a module imports only from its own layer and those below it."""


def layer(module: str) -> int | None:
    """Return the place of a module of ours in `LAYERS`, None for a foreign one."""
    top, *rest = module.split(".")
    if top not in ("jobs", "sources"):
        return None
    if rest[:1] == ["laptop"]:
        return LAYERS.index("laptop")
    within = f"{top}.{rest[0]}" if rest else top
    return LAYERS.index(within if within in LAYERS else top)


def test_nothing_imports_from_a_layer_above_its_own() -> None:
    wrong = []
    for file in python_files("jobs", "sources"):
        own = layer(".".join(file.with_suffix("").parts))
        for name in imported(file):
            above = layer(name)
            if own is not None and above is not None and above > own:
                wrong.append((str(file), name))
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "place"),
    [
        ("sources.kafka.login", "sources"),
        ("jobs.engine.run", "jobs.engine"),
        ("jobs.sinks.delta", "jobs.sinks"),
        ("jobs.tables.discounts", "jobs"),
        ("jobs.streaming_product_discounts", "jobs"),
        ("sources.laptop.shop", "laptop"),
        ("jobs.laptop.doctor.command", "laptop"),
    ],
)
def test_a_module_knows_its_layer(module: str, place: str) -> None:
    assert LAYERS[layer(module) or 0] == place


def test_a_foreign_module_has_no_layer() -> None:
    assert layer("pyspark.sql") is None


def imported(file: Path) -> Iterator[str]:
    """Yield every module that the file imports, at once or later."""
    for node in ast.walk(ast.parse(text_of(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_modules_import_the_standard_library_and_pyspark_only() -> None:
    allowed = {*sys.stdlib_module_names, "pyspark", "py4j", "jobs", "sources"}  # py4j is pyspark's own
    wrong = [
        (str(file), name)
        for file in python_files("jobs", "sources")
        if file.parts[1] != "laptop"
        for name in imported_on_import(file)
        if name.partition(".")[0] not in allowed
    ]
    assert wrong == []


def imported_on_import(file: Path) -> Iterator[str]:
    """Yield the modules imported by importing this file: none inside functions or under TYPE_CHECKING."""
    waiting: list[ast.AST] = [ast.parse(text_of(file))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" if not node.level else "." for alias in node.names)
        elif not _runs_later(node):
            waiting.extend(ast.iter_child_nodes(node))


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def test_an_import_is_found_wherever_importing_runs_it(tmp_path: Path) -> None:
    source = (
        "import a\ntry:\n    from b.c import d\nexcept ImportError:\n    pass\n"
        "class E:\n    import f\ndef g():\n    import never\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import never\nfrom . import h\n"
    )
    (tmp_path / "module.py").write_text(source)
    assert sorted(imported_on_import(tmp_path / "module.py")) == [
        ".", "a", "b.c.d", "f", "typing.TYPE_CHECKING",
    ]  # fmt: skip


def test_every_make_target_is_explained_in_the_makefile_and_in_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    assert {"help", "demo", "test", "lint", "clean"} <= set(targets)
    assert re.findall(r"^([a-z]+):.* ## \S", makefile, re.MULTILINE) == targets
    readme = (ROOT / "README.md").read_text()
    assert [target for target in targets if f"make {target}" not in readme] == []


def test_the_readme_is_shorter_than_200_lines() -> None:
    assert lines_of(Path("README.md")) < 200


def links(document: str) -> list[tuple[str, str]]:
    """Return a document's links to others as file and anchor; a link within it has no file."""
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(document))
    parts = (target.partition("#") for target in targets if "://" not in target)
    return [(file, anchor) for file, _, anchor in parts]


def anchors(document: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", without_code(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def without_code(document: str) -> str:
    return re.sub(r"^```.*?^```$", "", document, flags=re.DOTALL | re.MULTILINE)


def test_links_and_anchors_are_found_outside_code_only() -> None:
    document = (
        "# Data's way, `here`\n[a](b.md#c) [d](#e) ![p](q.png) [web](https://example.com/x)\n"
        "```\n# no heading\n[no](link.md)\n```\n## Stop_it\n"
    )
    assert links(document) == [("b.md", "c"), ("", "e"), ("q.png", "")]
    assert anchors(document) == {"datas-way-here", "stop_it"}


def test_every_link_between_documents_leads_somewhere() -> None:
    known = set(tracked())
    broken = [
        f"{document}: {file}#{anchor}"
        for document in known
        if document.suffix == ".md"
        for file, anchor in links(text_of(document))
        if not _leads_somewhere(document, file, anchor, known)
    ]
    assert broken == []


def _leads_somewhere(document: Path, file: str, anchor: str, known: set[Path]) -> bool:
    target = Path(os.path.normpath(document.parent / file)) if file else document
    return target in known and (not anchor or anchor in anchors(text_of(target)))


def test_no_make_target_is_longer_than_two_lines() -> None:
    recipes = re.findall(r"^([\w./-]+):[^=\n]*\n((?:\t.*\n)*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target, recipe in recipes if recipe.count("\n") > 2] == []


def test_the_lock_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    entries = re.split(r"\n(?=[a-z])", lock.partition("\n")[2])
    pins = [entry for entry in entries if "==" in entry]
    assert len(pins) > 20
    assert [entry.split()[0] for entry in pins if "--hash=sha256:" not in entry] == []


def test_the_lock_is_what_the_project_asks_for_and_nothing_else() -> None:
    pins = dict(re.findall(r"^([a-z][\w.-]*)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    needed = list(closure(project_requirements()))
    assert pins.keys() == {canonicalize_name(one.name) for one in needed}
    assert [str(one) for one in needed if pins[canonicalize_name(one.name)] not in one.specifier] == []


def project_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    return [Requirement(one) for group in groups for one in group]


def closure(asked: list[Requirement]) -> Iterator[Requirement]:
    """Yield these requirements and theirs, as the installed distributions state them.

    The installed environment is that of the lock.
    """
    waiting, seen = list(asked), set()
    while waiting:
        one = waiting.pop()
        if str(one) in seen:
            continue
        seen.add(str(one))
        yield one
        theirs = [Requirement(text) for text in requires(one.name) or ()]
        waiting += [other for other in theirs if _applies(other, one.extras)]


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


def test_every_row_of_the_security_page_names_a_test_that_is_there() -> None:
    page = (ROOT / ".github" / "SECURITY.md").read_text()
    tables = re.findall(r"^\|.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", page, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    named = {row: re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.split(" | ")[-1]) for row in rows}
    assert len(tables) == 3
    assert [row for row, tests in named.items() if not tests] == []
    every = [one for tests in named.values() for one in tests]
    assert [one for one in every if f"\ndef {one[1]}(" not in text_of(Path(one[0]))] == []


def test_a_time_is_read_in_one_place() -> None:
    """Read times by `instants.parse`, which goes to the ends of the range; progress.py reads Spark's own."""
    reads = re.compile(r"\b(fromisoformat|strptime|(utc)?fromtimestamp|parsedate\w*)\b")
    readers = {str(file) for file in python_files("jobs", "sources") if reads.search(text_of(file))}
    assert readers == {"sources/instants.py", "jobs/engine/progress.py"}
