"""A command over HTTP: what makes two requests the same, and what its answer's head says."""

from starlette.requests import Request

from shared.http_commands import command_of, tagged


async def hashed(path: str = "/v1/things", query: str = "", if_match: str | None = None) -> bytes:
    """What stands for a request with an empty body."""

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "server": ("localhost", 80),
        "path": path,
        "query_string": query.encode(),
        "headers": [],
    }
    command = await command_of("make", "li", Request(scope, receive), "key", if_match)
    return command.request_hash


async def test_path_query_and_version_make_another_request() -> None:
    hashes = {
        await hashed(),
        await hashed("/v1/others"),
        await hashed(query="channel=wechat"),
        await hashed(query="channel=alipay"),
        await hashed(if_match='"1"'),
    }
    assert len(hashes) == 5
    assert await hashed() in hashes, "the same request is the same again"


def test_an_answer_is_for_no_cache_and_says_its_version() -> None:
    assert dict(tagged({"version": 3}).headers.items())["etag"] == '"3"'
    plain = tagged({"name": "x"}, 201)
    assert (plain.status_code, plain.headers["cache-control"]) == (201, "no-store")
    assert "etag" not in plain.headers
