"""The command line: what it accepts, and one line with exit code 2 for what it does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.engine.command_line import parse
from jobs.popular_products_recommendation import JOB as RECOMMENDATION
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS

WRONG = {
    "--window=5": "argument --window: '5': expected a number and a unit, like '30 seconds' or '10 minutes'",
    "--window=0 minutes": "argument --window: '0 minutes': expected more than nothing, like '30 seconds'",
    "--watermark=-1 seconds": (
        "argument --watermark: '-1 seconds': expected a number and a unit, like '30 seconds' or '10 minutes'"
    ),
    "--trigger=often": (
        "argument --trigger: 'often': expected available-now, continuous-batches or a time between batches"
        " like '5 seconds'"
    ),
    "--top=0": "argument --top: '0': expected a whole number >= 1",
    "--sorce=kafka": "unrecognized arguments: --sorce=kafka; did you mean --source?",
    "--source=kinesis": (
        "argument --source: invalid choice: 'kinesis' (choose from 'kafka', 'pubsublite', 'replay')"
    ),
    "--kafka-starting=latest": "--kafka-starting: a flag of --source kafka; the source is replay",
    "--sink-topic=t": "--sink-topic: a flag of --sink kafka; the sink is console",
    "--output-mode=update": "--output-mode update: two streams joined give final rows only; expected append",
    "--wind=1 minute": "unrecognized arguments: --wind=1 minute; did you mean --window?",
}


@pytest.mark.parametrize(("flag", "said"), WRONG.items())
def test_a_wrong_flag_ends_with_code_2_and_one_line(
    flag: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(RECOMMENDATION, [flag])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"popular_products_recommendation: {said} (see --help)\n"


def test_a_flag_keeps_working_by_its_old_name_which_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse(DISCOUNTS, ["--source=kafka", "--starting=latest"]).source.options.kafka_starting == "latest"
    said = "streaming_product_discounts: --starting is called --kafka-starting now\n"
    assert capsys.readouterr().err == said
    monkeypatch.setenv("TWINSTREAM_STARTING", "latest")
    assert parse(DISCOUNTS, ["--source=kafka"]).source.options.kafka_starting == "latest"
    monkeypatch.setenv("TWINSTREAM_KAFKA_STARTING", "earliest")
    assert parse(DISCOUNTS, ["--source=kafka"]).source.options.kafka_starting == "earliest"
    assert capsys.readouterr().err == ""


def test_running_totals_need_a_sink_that_replaces_rows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(DISCOUNTS, ["--output-mode=update", "--sink=parquet", "--sink-path=x"])
    assert (
        "--output-mode update: --sink parquet cannot replace a row; expected append"
        in capsys.readouterr().err
    )


def test_sessions_have_no_running_totals_but_other_windows_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(ACTIVITY, ["--output-mode=update"]).upsert
    with pytest.raises(SystemExit):
        parse(ACTIVITY, ["--output-mode=update", "--window-type=session"])
    assert "a session's bounds move until it is final" in capsys.readouterr().err


def test_defaults_are_those_of_the_job() -> None:
    made = parse(RECOMMENDATION, [])
    assert (made.own.window, made.own.join_within, made.own.top) == ("10 minutes", "30 minutes", 10)
    assert (made.options.watermark, made.options.max_future_skew) == ("10 seconds", timedelta(minutes=10))
    assert (made.source.name, made.sink.name, made.options.output_mode) == ("replay", "console", "append")


def test_files_end_and_a_broker_does_not() -> None:
    assert parse(DISCOUNTS, []).trigger == "available-now"
    assert parse(DISCOUNTS, ["--source=kafka"]).trigger == "continuous-batches"
    assert parse(DISCOUNTS, ["--source=kafka", "--trigger=5 seconds"]).trigger == "5 seconds"


def test_the_environment_holds_defaults_and_help_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWINSTREAM_WINDOW", "2 minutes")
    monkeypatch.setenv("TWINSTREAM_KAFKA_BOOTSTRAP_SERVERS", "kafka:29092")
    made = parse(DISCOUNTS, ["--source=kafka"])
    assert made.own.window == "2 minutes"
    assert made.source.options.kafka_bootstrap_servers == "kafka:29092"
    assert parse(DISCOUNTS, ["--window=3 minutes"]).own.window == "3 minutes"
    with pytest.raises(SystemExit):
        parse(DISCOUNTS, ["--help"])
    assert "env TWINSTREAM_WINDOW)" in " ".join(capsys.readouterr().out.split())


def test_a_wrong_default_in_the_environment_names_flag_and_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWINSTREAM_WINDOW", "soon")
    with pytest.raises(SystemExit) as ended:
        parse(DISCOUNTS, [])
    assert ended.value.code == 2
    assert "argument --window: 'soon'" in capsys.readouterr().err


def test_a_kafka_sink_takes_the_brokers_flags_whatever_the_source_is() -> None:
    flags = ["--sink=kafka", "--sink-topic=t", "--kafka-bootstrap-servers=b:1"]
    assert parse(DISCOUNTS, flags).sink.options.kafka_bootstrap_servers == "b:1"


def test_what_shapes_the_state_is_what_a_checkpoint_remembers() -> None:
    settings = parse(DISCOUNTS, ["--discounts=x.csv"]).state_settings
    assert settings == {"--window": "1 minute", "--watermark": "10 seconds", "--output-mode": "append"}


@pytest.mark.parametrize("flag", ["--checkpoint-root=gs://b/c", "--discounts=gs://b/d.csv"])
def test_a_path_on_cloud_storage_takes_its_connector(flag: str) -> None:
    assert parse(DISCOUNTS, [flag]).jar_sets == ("gs",)
    assert parse(DISCOUNTS, [flag, "--sink=delta", "--sink-path=gs://b/rows"]).jar_sets == ("delta", "gs")
    assert parse(DISCOUNTS, [flag.replace("gs://", "/")]).jar_sets == ()
