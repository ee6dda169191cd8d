"""A home, its services, and servers over it that may be killed."""

import pytest

from tests.fakes.processes import living, start_server
from tests.fakes.studio import make_studio


@pytest.fixture
def studio(studio_home):
    """Services only: nothing is scheduled unless a test starts it."""
    with make_studio(studio_home) as studio:
        yield studio
        for job in studio.jobs.list():
            for process in living(studio.jobs.folder(job.id)):
                process.kill()


@pytest.fixture
def serve(studio_home):
    servers = []

    def serve(cpu=2):
        servers.append(start_server(studio_home, cpu))
        return servers[-1]

    yield serve
    for server in servers:
        server.kill()
        server.wait()
