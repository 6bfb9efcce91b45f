import pytest

from tests.support import loud_skips

TWO_TESTS = """
    import pytest

    @pytest.mark.slow
    def test_that_takes_long(): pass

    def test_that_does_not(): pass
"""
NEEDY_TEST = """
    import pytest

    @pytest.mark.needs({program!r})
    def test_that_is_needy(): pass
"""
MISSING = "no-such-program-anywhere"


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")


def run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(test_it=source)
    pytester.makeini("[pytest]\naddopts = --strict-markers")
    return pytester.runpytest("-p", "no:hypothesispytest", "-p", "tests.support.loud_skips", *arguments)


def last_words(result: pytest.RunResult) -> list[str]:
    """Return the lines between the heading "not run" and pytest's own last line."""
    start = next(n for n, line in enumerate(result.outlines) if line.strip("-") == " not run ")
    return [line for line in result.outlines[start + 1 : -1] if line]


@pytest.mark.usefixtures("at_home")
def test_a_slow_test_is_left_out_and_named_with_its_command(pytester: pytest.Pytester) -> None:
    result = run(pytester, TWO_TESTS)
    result.assert_outcomes(passed=1, deselected=1)
    assert last_words(result) == ["1 slow: pytest --slow test_it.py"]


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize("arguments", [["--slow"], ["-m", "slow or not slow"]])
def test_a_slow_test_runs_when_asked_for(pytester: pytest.Pytester, arguments: list[str]) -> None:
    result = run(pytester, TWO_TESTS, *arguments)
    result.assert_outcomes(passed=2)
    assert last_words(result) == ["nothing: every test that was asked for ran"]


@pytest.mark.usefixtures("in_ci")
def test_a_slow_test_runs_in_ci(pytester: pytest.Pytester) -> None:
    run(pytester, TWO_TESTS).assert_outcomes(passed=2)


@pytest.mark.usefixtures("at_home")
def test_a_missing_program_skips_and_is_named_with_its_command(pytester: pytest.Pytester) -> None:
    result = run(pytester, NEEDY_TEST.format(program=MISSING))
    result.assert_outcomes(skipped=1)
    expected = f"1 skipped, needs {MISSING}: apt-get install {MISSING}; then pytest test_it.py"
    assert last_words(result) == [expected]


@pytest.mark.usefixtures("in_ci")
def test_a_missing_program_is_an_error_in_ci(pytester: pytest.Pytester) -> None:
    result = run(pytester, NEEDY_TEST.format(program=MISSING))
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*needs {MISSING}: apt-get install {MISSING}"])


@pytest.mark.parametrize("where", ["at_home", "in_ci"])
def test_a_program_that_is_there_is_used(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, where: str
) -> None:
    request.getfixturevalue(where)
    run(pytester, NEEDY_TEST.format(program="sh")).assert_outcomes(passed=1)


@pytest.mark.usefixtures("at_home")
def test_a_program_on_path_that_does_not_answer_is_missing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud_skips.runs_here.cache_clear()
    docker = pytester.path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent))
    result = run(pytester, NEEDY_TEST.format(program="docker"))
    loud_skips.runs_here.cache_clear()
    assert last_words(result) == [
        "1 skipped, needs docker: install a Docker engine with Compose v2, and start it; "
        "then pytest test_it.py"
    ]


@pytest.mark.usefixtures("at_home")
def test_any_other_skip_is_named_with_its_reason(pytester: pytest.Pytester) -> None:
    source = "import pytest\n\n@pytest.mark.skip(reason='Windows only')\ndef test_it(): pass"
    assert last_words(run(pytester, source)) == ["1 skipped, Windows only; then pytest test_it.py"]
