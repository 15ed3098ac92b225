"""Requests to providers are signed as their documents show, to the last digit.

The vectors are the worked examples of the documents named in each module; their secrets are the documents'
own placeholders ("YourAccessKeySecret", 32 asterisks).
"""

import json

import pytest

from services.notification.couriers import signing_acs3, signing_tc3

TC3_BODY = b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'


def acs3(query: str, **changed: str) -> dict[str, str]:
    given = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "action": "RunInstances",
        "version": "2014-05-26",
        "key_id": "YourAccessKeyId",
        "key_secret": "YourAccessKeySecret",
        "date": "2023-10-26T10:22:32Z",
        "nonce": "3156853299f313e23d1673dc12e1703d",
    }
    return signing_acs3.signed_headers(query=query, **{**given, **changed})


def test_alibaba_clouds_example_is_signed_as_its_document_says() -> None:
    query = signing_acs3.canonical_query(
        {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    )
    assert acs3(query)["authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;"
        "x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_a_query_is_written_as_it_is_signed() -> None:
    query = signing_acs3.canonical_query({"b": "a b*c+d/e=f&g:h", "a~": "中-_.~"})
    assert query == "a~=%E4%B8%AD-_.~&b=a%20b%2Ac%2Bd%2Fe%3Df%26g%3Ah"


@pytest.mark.parametrize("field", ["host", "action", "version", "key_secret", "date", "nonce"])
def test_everything_that_is_said_to_alibaba_cloud_is_signed(field: str) -> None:
    assert acs3("a=1")["authorization"] != acs3("a=1", **{field: "x"})["authorization"]
    assert acs3("a=1")["authorization"] != acs3("a=2")["authorization"]


def tc3(body: bytes = TC3_BODY, secret_key: str = "*" * 32, **changed: str) -> dict[str, str]:
    given = {
        "service": "cvm",
        "action": "DescribeInstances",
        "version": "2017-03-12",
        "region": "ap-guangzhou",
    }
    return signing_tc3.signed_headers(
        signing_tc3.Call(**{**given, **changed}),
        host="cvm.tencentcloudapi.com",
        body=body,
        secret_id="AKID" + "*" * 32,
        secret_key=secret_key,
        timestamp=1551113065,
    )


def test_tencent_clouds_example_is_signed_as_its_document_says() -> None:
    assert json.loads(TC3_BODY)["Filters"][0]["Values"] == ["未命名"]
    assert tc3()["authorization"] == (
        f"TC3-HMAC-SHA256 Credential=AKID{'*' * 32}/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host;x-tc-action, "
        "Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
    )


@pytest.mark.parametrize(
    "other",
    [tc3(body=b"{}"), tc3(secret_key="x"), tc3(service="sms"), tc3(action="Other")],
    ids=["body", "key", "service", "action"],
)
def test_everything_that_counts_at_tencent_cloud_is_signed(other: dict[str, str]) -> None:
    assert other["authorization"] != tc3()["authorization"]
