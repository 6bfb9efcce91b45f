"""Dead letters corrected and sent again, to replay files, which have a publisher too."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.laptop.commands import main
from jobs.laptop.dead_letters import resending
from tests.jobs.laptop.dead_letters.kept import ACTIVITY, DISCOUNTS, keep, line

BAD, GOOD = '{"event_id":"a","quantity":-3}', '{"event_id":"a","quantity":3}'
MENDS = "--filter=sed s/-3/3/"


class Place:
    """A folder of dead letters, and one of replay files that they are sent to."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.kept, self.sent_to, self._capsys = folder / "kept", folder / "sent to", capsys
        self.err: list[str] = []

    def resend(self, *flags: str) -> str:
        """Run the command; return its exit code and what it printed."""
        places = [f"--dead-letter-dir={self.kept}", "--source=replay", f"--replay-dir={self.sent_to}"]
        code = main(["dead-letters", "resend", *places, *flags])
        said = self._capsys.readouterr()
        self.err = said.err.splitlines()
        return f"{code}: {said.out.strip()}"

    def arrived(self) -> list[dict[str, Any]]:
        files = sorted(self.sent_to.rglob("*.jsonl"))
        return [json.loads(one) for file in files for one in file.read_text().splitlines()]


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    return Place(tmp_path, capsys)


def test_a_letter_is_mended_and_sent_once_however_often_it_is_called(place: Place) -> None:
    keep(place.kept, "0", line(4711, BAD))
    assert place.resend(MENDS) == "0: 1 sent, 0 sent before, 0 left by the filter, 0 failed"
    assert place.resend(MENDS) == "0: 0 sent, 1 sent before, 0 left by the filter, 0 failed"
    (arrived,) = place.arrived()
    del arrived["published_at"]  # set by the clock
    assert arrived == {
        "stream": "product-stream",
        "partition": 0,
        "offset": 0,
        "key": "ann",
        "value": GOOD,
        "attributes": {"trace": ["1"]},
        "event_at": "2026-01-01T11:59:59.123000Z",
    }
    keep(place.kept, "1", line(4712, BAD))
    assert place.resend() == "0: 1 sent, 1 sent before, 0 left by the filter, 0 failed"
    assert [one["value"] for one in place.arrived()] == [GOOD, BAD]


def test_what_two_jobs_have_kept_is_sent_once_and_another_message_at_its_place_too(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD), line(1, BAD))
    keep(place.kept, "0", line(1, BAD), of=f"{ACTIVITY}/replay/99aa")
    assert place.resend(MENDS) == "0: 1 sent, 2 sent before, 0 left by the filter, 0 failed"
    keep(place.kept, "0", line(1, BAD), of=f"{DISCOUNTS}/replay/after-reset")
    keep(place.kept, "1", line(1, BAD, published_at="2026-02-01T12:00:00Z"))  # the topic was recreated
    keep(place.kept, "2", line(1, BAD + " "))
    assert place.resend(MENDS) == "0: 2 sent, 4 sent before, 0 left by the filter, 0 failed"


def test_letters_of_another_source_are_not_sent(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD), of=f"{DISCOUNTS}/kafka/4f6c")
    assert place.resend(MENDS) == "0: 0 sent, 0 sent before, 0 left by the filter, 0 failed"


def test_what_the_filter_does_not_mend_is_left_for_the_next_call(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD), line(2, '{"event_id":"b"}'))
    assert place.resend(MENDS) == "0: 1 sent, 0 sent before, 1 left by the filter, 0 failed"
    assert place.resend("--filter=sed s/b/c/") == "0: 1 sent, 1 sent before, 0 left by the filter, 0 failed"
    assert [one["value"] for one in place.arrived()] == [GOOD, '{"event_id":"c"}']


def test_a_filter_that_fails_leaves_its_letter_and_the_others_are_sent(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD), line(2, "fail"), line(3, "be quiet"), line(4, "write nothing"))
    program = (
        "import sys; old = sys.stdin.read(); 'fail' in old and sys.exit('first\\nno \\x1b[2J way'); "
        "'quiet' in old and sys.exit(7); print(end='' if 'nothing' in old else old.replace('-3', '3'))"
    )
    command = f"""--filter='{sys.executable}' -c "{program}" """
    assert place.resend(command) == "1: 1 sent, 0 sent before, 0 left by the filter, 3 failed"
    assert place.err == [
        "product-stream/0/2: not sent: the filter ended with 1: no \\u001b[2J way",
        "product-stream/0/3: not sent: the filter ended with 7: it said nothing",
        "product-stream/0/4: not sent: the filter wrote nothing; expected the new value",
    ]
    assert [one["value"] for one in place.arrived()] == [GOOD]


def test_a_filter_is_no_shell(place: Place, tmp_path: Path) -> None:
    keep(place.kept, "0", line(1, "$(touch injected); `touch injected`"))
    assert place.resend(f"--filter=sed s/x/y/ /dev/stdin ; touch {tmp_path / 'injected'}").startswith(
        "1: 0 sent"
    )
    assert not (tmp_path / "injected").exists()
    assert place.resend("--filter=sed 's/touch/$(touch)/'").startswith("0: 1 sent")
    assert place.arrived()[0]["value"] == "$($(touch) injected); `touch injected`"


FUNCTIONS = r"""
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Seen:
    values: list[bytes]

def mend(value: bytes) -> bytes | None:
    return {b"leave": None, b"": b"was null", b"text": "text"}.get(value, value[5:] or value)

def fail(value: bytes) -> bytes:
    raise KeyError("no such\nfield")

NUMBER = 7
"""


def test_a_function_mends_leaves_and_fails(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "my filters.py"
    file.write_text(FUNCTIONS)
    framed = line(1, '\0\0\0\0\7{"event_id":"b"}')
    keep(place.kept, "0", framed, line(2, "leave"), line(3, None), line(4, "text"), line(5, "same"))
    assert (
        place.resend(f"--function={file}:mend") == "1: 2 sent, 0 sent before, 2 left by the filter, 1 failed"
    )
    assert place.err == ["product-stream/0/4: not sent: mend returned str; expected bytes or None"]
    assert sorted(one["value"] for one in place.arrived()) == ["was null", '{"event_id":"b"}']
    assert place.resend(f"--function={file}:fail", "--id", "product-stream/0/5").startswith("1: 0 sent")
    assert place.err == ["product-stream/0/5: not sent: fail raised KeyError('no such\\nfield')"]


def test_an_export_is_mended_too(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(place.kept, "0", line(1, BAD), line(2, "no number"))
    flags = [f"--dead-letter-dir={place.kept}", f"--replay-dir={place.sent_to}", MENDS]
    assert main(["dead-letters", "export", *flags]) == 0
    assert capsys.readouterr().out == f"1 written to {place.sent_to}, 1 left by the filter\n"
    assert [(one["offset"], one["value"]) for one in place.arrived()] == [(1, GOOD)]
    flags = [f"--dead-letter-dir={place.kept}", f"--replay-dir={tmp_path / 'other'}", "--filter=false"]
    assert main(["dead-letters", "export", *flags]) == 1
    assert capsys.readouterr().err.splitlines()[0] == (
        "product-stream/0/1: not written: the filter ended with 1: it said nothing"
    )


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (
            "--filter=no-such-program -x",
            "'no-such-program -x': no such program; expected a program that reads",
        ),
        ("--filter=sed 's/a/b", "No closing quotation"),
        ("--filter=", "'': no such program"),
        ("--function={}/none.py:mend", "none.py:mend': no such file; expected FILE.py:NAME"),
        ("--function=json:loads", "'json:loads': no such file; expected FILE.py:NAME"),
        ("--function={}/filters.py:none", "filters.py: no function 'none'; expected FILE.py:NAME"),
        ("--function={}/filters.py:NUMBER", "filters.py: no function 'NUMBER'"),
        ("--function={}/broken.py:mend", "broken.py: cannot be imported (ModuleNotFoundError("),
    ],
)
def test_a_filter_that_cannot_run_is_refused_before_anything_is_sent(
    place: Place, tmp_path: Path, flag: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "filters.py").write_text(FUNCTIONS)
    (tmp_path / "broken.py").write_text("import no_such_module")
    with pytest.raises(SystemExit, match="2"):
        place.resend(flag.format(tmp_path))
    (only,) = capsys.readouterr().err.splitlines()
    assert said in only


def test_the_ledger_says_what_was_sent_and_survives_a_torn_line(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD), line(2, BAD), line(3, None, published_at=None))
    place.resend("--id", "product-stream/0/1")
    file = place.kept / "resent.jsonl"
    (noted,) = map(json.loads, file.read_text().splitlines())
    assert noted.pop("sent_at").endswith("Z")
    assert noted == {
        "source": "replay",
        "stream": "product-stream",
        "partition": 0,
        "offset": 1,
        "published_at": "2026-01-01T12:00:00.500000Z",
        "sha256": "dc3e05142e6a5625e44c0f45800b4300981cd7c6da9cd5f64749757a4e1244e4",
    }
    with file.open("ab") as torn:
        torn.write(b'{"source": "replay", "stre')
    assert place.resend() == "0: 2 sent, 1 sent before, 0 left by the filter, 0 failed"
    assert place.resend() == "0: 0 sent, 3 sent before, 0 left by the filter, 0 failed"
    file.write_text(json.dumps({**noted, "source": "kafka"}) + "\n")
    assert place.resend() == "0: 3 sent, 0 sent before, 0 left by the filter, 0 failed"


def test_two_at_once_do_not_send_twice(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD))
    with (place.kept / "resent.jsonl").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert place.resend(MENDS) == "1: "
        (only,) = place.err
        assert "resent.jsonl: another resend works with it; expected one at a time" in only
    assert place.resend(MENDS).startswith("0: 1 sent")


def test_a_folder_that_cannot_keep_what_was_sent_is_refused(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD))
    (place.kept / "resent.jsonl").mkdir()
    assert place.resend(MENDS) == "1: "
    assert "resent.jsonl: cannot be written (Is a directory); expected" in place.err[0]
    assert place.arrived() == []


def test_ctrl_c_ends_between_two_letters_and_the_next_call_goes_on(place: Place, tmp_path: Path) -> None:
    # Ctrl-C also reaches the filter's program, whose end is not the letter's fault.
    program = "import os, signal; os.kill(os.getppid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / "filter.sh").write_text(
        f'read value; test "$value" = two && exec "{sys.executable}" -c "{program}"; echo "$value!"'
    )
    keep(place.kept, "0", line(1, "one"), line(2, "two"), line(3, "three"))
    stopped = place.resend(f"--filter=sh {tmp_path / 'filter.sh'}")
    assert stopped == "130: 1 sent, 0 sent before, 0 left by the filter, 0 failed"
    assert place.err == ["twinstream dead-letters resend: interrupted"]
    assert place.resend("--filter=sed s/$/!/") == "0: 2 sent, 1 sent before, 0 left by the filter, 0 failed"
    assert [one["value"].strip() for one in place.arrived()] == ["one!", "two!", "three!"]


def test_what_cannot_be_stored_is_reported_and_sent_by_the_next_call(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD), line(2, BAD, stream="browsing-stream"), line(3, BAD))
    place.sent_to.mkdir()
    (place.sent_to / "browsing-stream").touch()
    assert place.resend(MENDS) == "1: 2 sent, 0 sent before, 0 left by the filter, 1 failed"
    (only,) = place.err
    assert only.startswith("browsing-stream/0/2: not sent: [Errno 17] File exists")
    (place.sent_to / "browsing-stream").unlink()
    assert place.resend(MENDS) == "0: 1 sent, 2 sent before, 0 left by the filter, 0 failed"


def test_what_was_sent_before_a_fault_is_noted(place: Place) -> None:
    keep(place.kept, "0", line(1, BAD), line(2, BAD, stream="browsing-stream"), line(3, BAD))
    broken = place.sent_to / "browsing-stream" / "0001.jsonl"
    broken.parent.mkdir(parents=True)
    broken.write_text("[]")
    assert place.resend(MENDS) == "1: 1 sent, 0 sent before, 0 left by the filter, 0 failed"
    (only,) = place.err
    assert only.startswith(f"twinstream dead-letters resend: {broken}, line 1: list is not an object")
    broken.unlink()
    assert place.resend(MENDS) == "0: 2 sent, 1 sent before, 0 left by the filter, 0 failed"


def test_what_was_sent_is_on_the_disk_before_more_is_sent(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resending, "AT_ONCE", 2)
    on_disk: list[int] = []
    monkeypatch.setattr(
        os, "fsync", lambda _: on_disk.append((place.kept / "resent.jsonl").read_text().count("\n"))
    )
    keep(place.kept, "0", *(line(offset, BAD) for offset in range(5)))
    assert place.resend(MENDS).startswith("0: 5 sent")
    assert on_disk == [0, 2, 4, 5]  # the first sync is the folder's


def test_what_could_not_be_noted_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        if stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError(28, "No space left on device")

    keep(place.kept, "0", line(1, BAD), line(2, BAD))
    monkeypatch.setattr(os, "fsync", full)
    assert place.resend(MENDS).startswith("1: 2 sent")
    (only,) = place.err
    assert "resent.jsonl: cannot be written (No space left on device)" in only
    assert "the last 2 that were sent may be sent again" in only
