"""A log that floods the disk keeps its beginning, its end, and its offsets."""

import os

import pytest

from jobs.protocol import log_file
from jobs.protocol.log_file import CANNOT, LogCap, read_part

LIMIT, HEAD, TAIL = 2**20, 2**16, 2**18


def lines(first, last):
    return "".join(f"line {number:07d}\n" for number in range(first, last)).encode()


def whole(path):
    """The log as somebody reads it from the start, in parts."""
    text, offset = b"", 0
    while (part := read_part(path, offset, 100_000))[1] > offset:
        text, offset = text + part[0], part[1]
    assert offset == path.stat().st_size
    return text


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.txt"


def test_a_log_below_the_limit_is_left_alone(log):
    log.write_bytes(lines(0, 10_000))
    LogCap(log, LIMIT, HEAD, TAIL).check()
    assert whole(log) == lines(0, 10_000)


def test_the_middle_of_a_large_log_is_given_back(log):
    cap = LogCap(log, LIMIT, HEAD, TAIL)
    writer = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for part in range(3):  # the program writes on, and the cap is reached again and again
        os.write(writer, lines(part * 100_000, (part + 1) * 100_000))
        size = log.stat().st_size
        cap.check()
        assert log.stat().st_size == size, "offsets stay"
        assert log.stat().st_blocks * 512 < HEAD + TAIL + 2**16
    os.write(writer, b"the end\n")
    os.close(writer)
    text = whole(log)
    assert text.startswith(lines(0, HEAD // 13)) and text.endswith(lines(290_000, 300_000) + b"the end\n")
    assert text.count(b"MB are left out here") == 1 and b"\0" not in text
    assert read_part(log, -8, 100) == (b"the end\n", log.stat().st_size)


def test_where_no_hole_can_be_made_it_is_said_once(log, monkeypatch):
    def cannot(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(log_file, "_punch", cannot)
    log.write_bytes(lines(0, 100_000))
    cap = LogCap(log, LIMIT, HEAD, TAIL)
    for _ in range(2):
        cap.check()
    assert whole(log) == lines(0, 100_000) + CANNOT.encode()


def test_reading_what_is_not_there(log):
    assert read_part(log, 7, 10) == (b"", 7)
    log.write_bytes(b"abc")
    assert read_part(log, 99, 10) == (b"", 3)
