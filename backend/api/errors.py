"""Errors as answers: what a person can mend is a sentence; anything else an id for the server's log."""

import logging
import secrets

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from jobs.protocol.errors import AccessError, JobError, ResourceError, StudioError

log = logging.getLogger(__name__)


class NotFound(StudioError):
    """There is nothing of that name."""


STATUS: dict[type[StudioError], int] = {
    NotFound: 404,
    AccessError: 403,
    JobError: 409,
    ResourceError: 503,
    StudioError: 400,  # SpecError, DataError, ModelError
}


def install(app: FastAPI) -> None:
    """Make every error of the API a JSON object with one sentence."""
    app.add_exception_handler(StudioError, _studio_error)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


async def _studio_error(request: Request, error: Exception) -> JSONResponse:
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    return JSONResponse({"error": str(error)}, status)


async def _wrong_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    sentences = [f"{'.'.join(str(part) for part in e['loc'][1:])}: {e['msg']}" for e in error.errors()]
    return JSONResponse({"error": "\n".join(sentences)}, 400)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    sentence = "There is no such address." if error.status_code == 404 else str(error.detail)
    return JSONResponse({"error": sentence}, error.status_code, headers=error.headers)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    number = secrets.token_hex(4)
    log.error("error %s at %s %s", number, request.method, request.url.path, exc_info=error)
    sentence = f"An error in the server; its log says more under the number {number}."
    return JSONResponse({"error": sentence, "id": number}, 500)
