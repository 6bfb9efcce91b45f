"""Dead letters listed, shown and exported."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from jobs.laptop.commands import main
from tests.jobs.laptop.dead_letters.kept import ACTIVITY, DISCOUNTS, keep, line

FRAMED = '\0\0\0\0\7{"event_id":"b"}'
GZIP = "value is not UTF-8 (gzip)"


def dead_letters(folder: Path, name: str, *flags: str) -> int:
    return main(["dead-letters", name, f"--dead-letter-dir={folder}", *flags])


def exported(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.rglob("*"))
    return [json.loads(one) for file in files if file.is_file() for one in file.read_text().splitlines()]


def test_letters_are_listed_by_job_and_reason_with_the_newest_as_an_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = keep(tmp_path, "10", line(12, '{"event_id":"\x1b[2J","quantity":0}', "quantity is below 1: 0"))
    older = keep(tmp_path, "9", line(99), line(7, None, GZIP, value_base64="H4sI"))
    other = keep(tmp_path, "0", line(1, "x" * 61, "value is not one JSON object (not JSON): xx"),
                 line(2, None, "value is null (a tombstone)"), of=f"{ACTIVITY}/kafka/99aa")  # fmt: skip
    for seconds, batch in enumerate((other, older, newer)):
        os.utime(batch / "_SUCCESS", (seconds, seconds))
    assert dead_letters(tmp_path, "list") == 0
    ours, theirs = f"{DISCOUNTS}  replay  ", f"{ACTIVITY}     kafka   "
    assert capsys.readouterr().out.splitlines() == [
        "letters  job                          source  reason                                   "
        "newest               value",
        f'      2  {ours}quantity is below 1                      product-stream/0/12  {{"event_id":"'
        r'\u001b[2J","quantity":0}',
        f"      1  {theirs}value is not one JSON object (not JSON)  product-stream/0/1   {'x' * 60}…",
        f"      1  {theirs}value is null (a tombstone)              product-stream/0/2   null",
        f"      1  {ours}value is not UTF-8 (gzip)                product-stream/0/7   0x1f8b08",
    ]


def test_the_letters_in_checkpoints_are_found_without_a_folder_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path, "3", line(5), of=f"{DISCOUNTS}/kafka/dead-letters")
    keep(tmp_path, "3", line(6), of=f"{DISCOUNTS}/kafka/offsets")
    assert main(["dead-letters", "list", f"--checkpoint-root={tmp_path}"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"      1  {DISCOUNTS}  kafka   quantity is below 1  product-stream/0/5  {{}}"
    ]


def test_what_is_no_ended_batch_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, "x", line(1))
    keep(tmp_path, "", line(2))
    keep(tmp_path, "-1", line(3))
    keep(tmp_path, "1.5", line(3))
    keep(tmp_path, "7", line(4), ended=False)
    (tmp_path / DISCOUNTS / "replay" / "4f6c" / "batch=8").touch()
    assert dead_letters(tmp_path, "list") == 0
    assert capsys.readouterr().out == f"no dead letters in {tmp_path}\n"


def test_a_broken_line_is_reported_and_the_others_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = keep(tmp_path, "0", '{"reason": "torn', "[]", line(1, stream="../../etc"), line(2, reason=None),
                line(-3), line(4, reason=7), line(5, value_base64="e30="), line(6))  # fmt: skip
    assert dead_letters(tmp_path, "list") == 1
    said = capsys.readouterr()
    assert "product-stream/0/6" in said.out.splitlines()[1]
    assert len(said.out.splitlines()) == 2
    where, expected = f"{kept / 'part-00000.txt'}, line", "; expected a dead letter as a JSON object"
    streams = "product-stream, browsing-stream, purchase-stream"
    assert said.err.splitlines()[1:] == [
        f"{where} 2: list is not an object{expected}",
        f"{where} 3: stream '../../etc' is none of {streams}{expected}",
        f"{where} 4: 'reason' is missing{expected}",
        f"{where} 5: offset -3 is not a whole number >= 0{expected}",
        f"{where} 6: reason 7 is not a string{expected}",
        f"{where} 7: both value and value_base64 are given{expected}",
    ]
    assert said.err.startswith(f"{where} 1: Invalid control character at")


def test_one_is_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attributes = {"trace": ["MQ==", None], "raw": ["/w=="]}
    kept = keep(tmp_path, "0", line(4711, FRAMED + "\nreason  forged", attributes_base64=attributes), line(1))
    assert dead_letters(tmp_path, "show", "product-stream/0/4711") == 0
    assert capsys.readouterr().out.splitlines() == [
        "job           streaming_product_discounts",
        "source        replay",
        f"file          {kept / 'part-00000.txt'}",
        "stream        product-stream",
        "partition     0",
        "offset        4711",
        "published_at  2026-01-01T12:00:00.500000Z",
        "event_at      2026-01-01T11:59:59.123000Z",
        "key           ann",
        "attribute     trace: 1",
        "attribute     trace: null",
        "attribute     raw: 0xff",
        "reason        quantity is below 1: -3",
        "value         36 bytes",
        r'  \u0000\u0000\u0000\u0000\u0007{"event_id":"b"}',
        "  reason  forged",
    ]


def test_bytes_are_shown_as_a_hex_dump(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = base64.b64encode(bytes.fromhex("1f8b08007e7fff20414243444546474849")).decode()
    keep(tmp_path, "0", line(1, None, GZIP, value_base64=value))
    nothing = line(2, None, "value is null (a tombstone)", key=None, event_at=None, published_at=None)
    keep(tmp_path, "1", nothing)
    assert dead_letters(tmp_path, "show", "product-stream/0/1", "product-stream/0/2") == 0
    first, second = capsys.readouterr().out.split("\n\n")
    assert first.splitlines()[-3:] == [
        "value         17 bytes",
        "  00000000  1f 8b 08 00 7e 7f ff 20 41 42 43 44 45 46 47 48  |....~.. ABCDEFGH|",
        "  00000010  49                                               |I|",
    ]
    assert [one for one in second.splitlines() if one.endswith("null")] == [
        "published_at  null",
        "event_at      null",
        "key           null",
        "value         null",
    ]


def test_an_id_that_is_not_there_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, "0", line(1))
    assert dead_letters(tmp_path, "show", "product-stream/0/1", "product-stream/1/1") == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[5] == "offset        1"
    assert said.err.startswith("product-stream/1/1: no such dead letter; expected an id ")


def test_letters_are_exported_as_they_were(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path / "kept", "0", line(1, FRAMED), line(2, None, GZIP, value_base64="H4s="))
    browsing = line(3, stream="browsing-stream")
    keep(tmp_path / "kept", "1", browsing, of=f"{ACTIVITY}/replay/99aa")
    out = tmp_path / "out"
    assert dead_letters(tmp_path / "kept", "export", f"--replay-dir={out}") == 0
    assert capsys.readouterr().out == f"3 written to {out}, 0 left by the filter\n"
    place = {"stream": "product-stream", "partition": 0}
    rest = {
        "attributes": {"trace": ["1"]},
        "published_at": "2026-01-01T12:00:00.500000Z",
        "event_at": "2026-01-01T11:59:59.123000Z",
    }
    assert exported(out / "product-stream") == [
        {**place, "offset": 1, "key": "ann", "value": FRAMED, **rest},
        {**place, "offset": 2, "key": "ann", "value_base64": "H4s=", **rest},
    ]
    assert [one["offset"] for one in exported(out / "browsing-stream")] == [3]
    assert dead_letters(tmp_path / "kept", "export", f"--replay-dir={out}") == 1
    assert "product-stream is there; expected a new directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "offsets"),
    [
        (["--reason=gzip"], [2]),
        (["--reason=below 1: -3"], [1, 3]),
        ([f"--job={ACTIVITY}"], [4]),
        (["--stream=browsing-stream"], [3]),
        (["--id", "product-stream/0/4", "product-stream/0/1", "--id", "browsing-stream/0/3"], [1, 3, 4]),
        (["--id", "product-stream/0/1", "--stream=product-stream", "--reason=quantity"], [1]),
    ],
)
def test_some_are_chosen(tmp_path: Path, flags: list[str], offsets: list[int]) -> None:
    keep(tmp_path / "kept", "0", line(1), line(2, reason=GZIP), line(3, stream="browsing-stream"))
    keep(tmp_path / "kept", "0", line(4, reason="value is not UTF-8: \u00ff"), of=f"{ACTIVITY}/kafka/99aa")
    assert dead_letters(tmp_path / "kept", "export", f"--replay-dir={tmp_path / 'out'}", *flags) == 0
    assert sorted(one["offset"] for one in exported(tmp_path / "out")) == offsets


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lsit"], "no command 'lsit'; expected one of list, show, export, resend"),
        (["show"], "the following arguments are required: id"),
        (["show", "4711"], "'4711': expected STREAM/PARTITION/OFFSET, like product-stream/0/4711"),
        (["export"], "the following arguments are required: --replay-dir"),
        (["list", "--stream", "x"], "argument --stream: invalid choice: 'x'"),
    ],
)
def test_a_wrong_command_line_ends_with_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(["dead-letters", *arguments])
    except SystemExit as end:
        code = end.code
    assert code == 2
    (only,) = capsys.readouterr().err.splitlines()
    assert said in only


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (
            "--dead-letter-dir=gs://bucket/dead",
            "remedy: copy it here (gcloud storage cp --recursive gs://bucket",
        ),
        (
            "--dead-letter-dir={}/nothing",
            "/nothing: no such folder; expected the one that the jobs were given",
        ),
        ("--checkpoint-root=file:///{}/nothing", "--checkpoint-root file:///"),
    ],
)
def test_a_folder_that_cannot_be_read_is_refused(
    tmp_path: Path, flag: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dead-letters", "list", flag.format(tmp_path)]) == 1
    (only,) = capsys.readouterr().err.splitlines()
    assert said in only
