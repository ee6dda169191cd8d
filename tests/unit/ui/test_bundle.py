"""The page's scripts and styles: all of them, in order, under an address that changes with them."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient

from ui.bundle import FIRST_SCRIPTS, bundle, version
from ui.head_tags import HeadTags

COMPONENTS = Path(__file__).parents[3] / "ui" / "components"


def test_every_script_and_style_is_in_it_once():
    files = bundle()
    for kind in ("js", "css"):
        for path in COMPONENTS.glob(f"*.{kind}"):
            assert files[f"studio.{kind}"].count(f"/* {path.name} */") == 1
    places = [files["studio.js"].index(f"/* {name} */") for name in (*FIRST_SCRIPTS, "branch_tree.js")]
    assert places == sorted(places)


def test_other_contents_have_another_version():
    files = bundle()
    assert version(files) == version(dict(files))
    assert version(files) != version({**files, "studio.css": files["studio.css"] + " "})


def test_the_head_names_them_in_the_readers_language():
    app = FastAPI()
    app.add_middleware(HeadTags, prefix="/static", version="v1")

    @app.get("/")
    def page() -> HTMLResponse:
        return HTMLResponse('<html lang="en"><head><title>x</title></head></html>')

    client = TestClient(app)
    english, chinese = (client.get("/", headers={"accept-language": tag}).text for tag in ("en", "zh-CN"))
    assert (
        english.index("/static/studio.js?v=v1") < english.index("<title>") < english.index("studio.css?v=v1")
    )
    assert 'lang="zh-CN"' in chinese
    assert chinese.index("/static/words-zh-CN.js?v=v1") < chinese.index("/static/studio.js?v=v1")
