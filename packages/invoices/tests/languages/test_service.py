"""The language of an invoice over HTTP: chosen, defaulted, refused, and never that of what programs read."""

from typing import Any

import pytest

TUTORIAL = {"id": "2expen51ve", "customer": "Mr. Richie Rich", "total": "9999"}


@pytest.mark.asyncio(loop_scope="module")
class TestOneService:
    """What the service does with its own defaults."""

    async def test_an_invoice_keeps_its_language(self, service: Any) -> None:
        created = await service.send(TUTORIAL | {"language": "zh-CN"})
        assert created.json()["language"] == "zh-CN"
        assert created.json()["msg"] == "Invoice received"
        read = await service.client.get("/invoices/2expen51ve")
        assert read.json()["language"] == "zh-CN"
        page = await service.client.get("/pay/" + created.json()["pay_url"].rpartition("/")[2])
        assert '<html lang="zh-CN">' in page.text
        assert "应付金额" in page.text
        events = (await service.client.get("/invoices/2expen51ve/events")).json()["events"]
        assert [event["description"] for event in events] == ["Invoice received"]

    @pytest.mark.parametrize("language", ["tlh", "EN", "zh", "en-US", "", 1, "zh_CN"])
    async def test_an_unknown_language_is_refused_by_its_name(self, service: Any, language: Any) -> None:
        refused = await service.send(TUTORIAL | {"language": language})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "language"
        assert "'en' or 'zh-CN'" in refused.text
        assert await service.stored() == {}

    async def test_without_one_it_is_that_of_the_service(self, service: Any) -> None:
        for language in ({}, {"language": None}, {"language": "en"}):
            created = await service.send(TUTORIAL | language)
            assert (created.status_code, created.json()["language"]) == (200, "en")
        other = await service.send(TUTORIAL | {"language": "zh-CN"})
        assert other.status_code == 409


async def test_the_service_may_write_chinese_by_default(start_service: Any) -> None:
    async with start_service(language="zh-CN") as service:
        assert (await service.send()).json()["language"] == "zh-CN"
        unknown = await service.client.get("/pay/unknown")
        assert "此链接没有对应的账单" in unknown.text
        assert unknown.headers["vary"] == "Accept-Language"
