"""A second server on the same home is refused with a sentence."""

import pytest

from backend.server_lock import ServerLock
from jobs.protocol.errors import ResourceError


def test_one_server_a_home(tmp_path):
    assert ServerLock.holder(tmp_path) is None
    first = ServerLock(tmp_path)
    first.acquire("http://127.0.0.1:7860")
    assert ServerLock.holder(tmp_path)["url"] == "http://127.0.0.1:7860"
    with pytest.raises(ResourceError, match=r"already runs on .* at http://127\.0\.0\.1:7860"):
        ServerLock(tmp_path).acquire()
    first.note("http://127.0.0.1:1")
    assert ServerLock.holder(tmp_path)["url"].endswith(":1")
    first.release()
    assert ServerLock.holder(tmp_path) is None
    second = ServerLock(tmp_path)
    second.acquire()
    second.release()
